"""NetSuite's File Cabinet: the part that certificates need."""

import itertools
import threading
from dataclasses import dataclass, field

from simulator.errors import SuiteScriptError

PRIVATE_KEY_MARK = "PRIVATE KEY-----"


@dataclass(frozen=True)
class File:
    """A file. `repr` does not show its contents, because they may hold a private key."""

    id: int
    name: str
    folder: int
    contents: str = field(repr=False)


@dataclass(frozen=True)
class Folder:
    """A folder. Only the owner and administrators see a private one."""

    id: int
    name: str
    private: bool


class FileCabinet:
    """Folders and files by internal id. Safe to use from several threads.

    It starts without files: it leaves out the bundle's copy of the placeholder. So a private key found in it was
    written by the RESTlet.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1001)
        self._folders: dict[int, Folder] = {}
        self._files: dict[int, File] = {}

    def create_folder(self, name: str, *, private: bool) -> int:
        """Create a folder and return its id.

        Raises:
            SuiteScriptError: a folder of this name exists, with NetSuite's error code.
        """
        with self._lock:
            if any(folder.name == name for folder in self._folders.values()):
                raise SuiteScriptError(
                    "A_FOLDER_WITH_THE_SAME_NAME_ALREADY_EXISTS_IN_THE_SELECTED_FOLDER",
                    "A folder with the same name already exists in the selected folder.",
                )
            folder = Folder(next(self._ids), name, private)
            self._folders[folder.id] = folder
            return folder.id

    def load_folder(self, identifier: int) -> Folder:
        """Return the folder with this internal id."""
        with self._lock:
            if identifier not in self._folders:
                raise _absent()
            return self._folders[identifier]

    def folders(self, name: str) -> list[Folder]:
        """Return the folders called `name`."""
        with self._lock:
            return [folder for folder in self._folders.values() if folder.name == name]

    def files(self, folder: int) -> list[File]:
        """Return the files in a folder."""
        with self._lock:
            return [file for file in self._files.values() if file.folder == folder]

    def save(self, name: str, folder: int, contents: str) -> File:
        """Save a file. As in NetSuite, it replaces a file of the same name in the folder and keeps that file's id."""
        with self._lock:
            if folder not in self._folders:
                raise SuiteScriptError("INVALID_KEY_OR_REF", f"Invalid folder reference key {folder}.")
            same = (file.id for file in self._files.values() if (file.name, file.folder) == (name, folder))
            file = File(next(same, None) or next(self._ids), name, folder, contents)
            self._files[file.id] = file
            return file

    def load(self, identifier: int) -> File:
        """Return the file with this internal id."""
        with self._lock:
            if identifier not in self._files:
                raise _absent()
            return self._files[identifier]

    def delete(self, identifier: int) -> None:
        """Delete the file with this internal id."""
        with self._lock:
            if self._files.pop(identifier, None) is None:
                raise _absent()

    def paths(self) -> list[str]:
        """Return every file as `Folder/name`."""
        with self._lock:
            return [f"{self._folders[file.folder].name}/{file.name}" for file in self._files.values()]

    def paths_with_private_key(self) -> list[str]:
        """Return the files that hold a private key, as `Folder/name`."""
        with self._lock:
            return [
                f"{self._folders[file.folder].name}/{file.name}"
                for file in self._files.values()
                if PRIVATE_KEY_MARK in file.contents
            ]


def _absent() -> SuiteScriptError:
    return SuiteScriptError("RCRD_DSNT_EXIST", "That record does not exist.")
