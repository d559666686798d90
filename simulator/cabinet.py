"""NetSuite's File Cabinet, as far as certificates need it."""

import itertools
import threading
from dataclasses import dataclass, field

from simulator.errors import SuiteScriptError

PRIVATE_KEY_MARK = "PRIVATE KEY-----"


@dataclass(frozen=True)
class File:
    """A file; its contents stay out of `repr` because they may hold a private key."""

    id: int
    name: str
    folder: int
    contents: str = field(repr=False)


@dataclass(frozen=True)
class Folder:
    """A folder; a private one is seen by its owner and administrators only."""

    id: int
    name: str
    private: bool


class Cabinet:
    """Folders and files by internal id. Safe to use from many threads.

    It starts without files (the vendor bundle's own copy of the placeholder is left out), so any private key found in
    it is the RESTlet's doing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1001)
        self._folders: dict[int, Folder] = {}
        self._files: dict[int, File] = {}

    def create_folder(self, name: str, *, private: bool) -> int:
        """Make a folder and return its id. Raises A_FOLDER_WITH_THE_SAME_NAME_ALREADY_EXISTS as NetSuite does."""
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
        """The folder with this internal id."""
        with self._lock:
            if identifier not in self._folders:
                raise _absent()
            return self._folders[identifier]

    def folders(self, name: str) -> list[Folder]:
        """The folders called `name`."""
        with self._lock:
            return [folder for folder in self._folders.values() if folder.name == name]

    def files(self, folder: int) -> list[File]:
        """The files in a folder."""
        with self._lock:
            return [file for file in self._files.values() if file.folder == folder]

    def save(self, name: str, folder: int, contents: str) -> File:
        """Save a file; one of the same name in the folder is replaced and keeps its id, as NetSuite does."""
        with self._lock:
            if folder not in self._folders:
                raise SuiteScriptError("INVALID_KEY_OR_REF", f"Invalid folder reference key {folder}.")
            same = (file.id for file in self._files.values() if (file.name, file.folder) == (name, folder))
            file = File(next(same, None) or next(self._ids), name, folder, contents)
            self._files[file.id] = file
            return file

    def load(self, identifier: int) -> File:
        """The file with this internal id."""
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
        """Every file as `Folder/name`."""
        with self._lock:
            return [f"{self._folders[file.folder].name}/{file.name}" for file in self._files.values()]

    def paths_with_private_key(self) -> list[str]:
        """The files that hold a private key, as `Folder/name`."""
        with self._lock:
            return [
                f"{self._folders[file.folder].name}/{file.name}"
                for file in self._files.values()
                if PRIVATE_KEY_MARK in file.contents
            ]


def _absent() -> SuiteScriptError:
    return SuiteScriptError("RCRD_DSNT_EXIST", "That record does not exist.")
