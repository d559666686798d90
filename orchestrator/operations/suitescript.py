"""Writes the SuiteCloud project of the RESTlet, as this Keyturn needs it, for NetSuite's administrator to deploy.

The wheel carries the project, so it fits the Keyturn that is installed: no checkout is needed.
"""

import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from states.errors import InvalidInput
from states.next_action import by_hand

_PROJECT: Final = Path(__file__).parents[2] / "suitescript"
_PARTS: Final = ("README.md", "suitecloud.config.js", "schema", "src")
"""What a deployment needs, and its page; not the tests."""
_ALWAYS: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can say. With one time for all files, the same project is the same zip file."""
_READABLE: Final = 0o644 << 16
_ANOTHER: Final = by_hand("Name another place: nothing is overwritten.")


def files() -> Mapping[str, bytes]:
    """Return the project: its files' paths, in order, and what they hold."""
    parts = [_PROJECT / part for part in _PARTS]
    found = [
        each for part in parts for each in (sorted(part.rglob("*")) if part.is_dir() else [part]) if each.is_file()
    ]
    return {each.relative_to(_PROJECT).as_posix(): each.read_bytes() for each in found}


def export(folder: Path) -> list[str]:
    """Make ``folder`` with the project; return its files' paths. Raises InvalidInput, and leaves nothing behind."""
    return _made(folder, _write_folder)


def export_zip(file: Path) -> list[str]:
    """Make a zip file of the project; return its files' paths. Raises InvalidInput, and leaves nothing behind."""
    return _made(file, _write_zip)


def _made(place: Path, write: Callable[[Path, Mapping[str, bytes]], None]) -> list[str]:
    project = files()
    try:
        write(place, project)
    except OSError as error:
        raise InvalidInput(f"{place} cannot be made: {error.strerror}.", next_action=_ANOTHER) from error
    return list(project)


def _write_folder(folder: Path, project: Mapping[str, bytes]) -> None:
    folder.mkdir()
    try:
        for path, content in project.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write_zip(file: Path, project: Mapping[str, bytes]) -> None:
    with file.open("xb") as opened:
        try:
            with zipfile.ZipFile(opened, "w") as made:
                for path, content in project.items():
                    entry = zipfile.ZipInfo(path, _ALWAYS)
                    entry.external_attr, entry.compress_type = _READABLE, zipfile.ZIP_DEFLATED
                    made.writestr(entry, content)
        except OSError:
            file.unlink(missing_ok=True)
            raise
