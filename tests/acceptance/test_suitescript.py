"""`keyturn suitescript export` of the installed program: the project that an administrator deploys."""

import zipfile
from pathlib import Path

import pytest
from acceptance.installed_keyturn import InstalledKeyturn

PROJECT = Path(__file__).parents[2] / "suitescript"


def in_repository() -> dict[str, bytes]:
    """The files that a deployment needs, as they are developed."""
    folders = (each for part in ("schema", "src") for each in (PROJECT / part).rglob("*"))
    files = [*folders, PROJECT / "README.md", PROJECT / "suitecloud.config.js"]
    return {each.relative_to(PROJECT).as_posix(): each.read_bytes() for each in files if each.is_file()}


def in_folder(folder: Path) -> dict[str, bytes]:
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_the_project_as_a_folder(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """The installed program writes the files of the repository, byte by byte, and says how to deploy them."""
    made = keyturn("suitescript", "export", tmp_path / "my project")
    assert 0 == made.returncode
    assert in_repository() == in_folder(tmp_path / "my project")
    assert f"cd '{tmp_path}/my project' && suitecloud account:setup" in made.stderr


def test_the_project_as_a_zip_file(keyturn: InstalledKeyturn, tmp_path: Path) -> None:
    """The zip file has the same files, and is the same whenever it is made."""
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    found = keyturn.json("suitescript", "export", first, "--zip")
    keyturn("suitescript", "export", second, "--zip")
    with zipfile.ZipFile(first) as project:
        assert in_repository() == {name: project.read(name) for name in project.namelist()}
        assert found["files"] == project.namelist()
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("options", [(), ("--zip",)])
def test_nothing_is_overwritten(keyturn: InstalledKeyturn, tmp_path: Path, options: tuple[str, ...]) -> None:
    """A place that is taken is left as it is."""
    (tmp_path / "taken").write_text("mine")
    refused = keyturn("suitescript", "export", tmp_path / "taken", *options)
    assert 2 == refused.returncode
    assert f"{tmp_path}/taken cannot be made: File exists." in refused.stderr
    assert {"taken": b"mine"} == in_folder(tmp_path)
