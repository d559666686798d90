"""A rotation's evidence file: what it shows by itself, what altered files show, and what only the key shows."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from integration.fixture_types import Rotate
from support.database_writer import write
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.operations.evidence import check, read
from orchestrator.views.evidence import text
from orchestrator.views.evidence_format import digest_of, json_schema
from persistence import models
from states.errors import EvidenceBroken, InvalidInput, JournalBroken, KeyturnError, Tampered

PAGE = Path(__file__).parents[2] / "docs/how-to/evidence.md"
RECORDED = re.compile(
    r"code|made\.\w+|rotation\.(id|connection)|rotation\.skew\.\w+|chain\.follows|journal\.[1-9]\d*\.actor"
    r"|journal\.\d+\.detail\.(seconds|not_after|policy\.\w+)"
)
"""What a file cannot show by itself: its change is refused by the digest, or with the key (the code)."""


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field, by its path."""
    if isinstance(value, dict | list) and value:
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, name))
    else:
        yield path


def altered(made: Any, path: tuple[Any, ...], *, is_sealed: bool) -> Any:
    """The file with one field changed; ``is_sealed``: its digest is made again."""
    changed = copy.deepcopy(made)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = _other(place[path[-1]])
    if is_sealed and path != ("digest",):
        changed["digest"] = digest_of(changed)
    return changed


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if not isinstance(value, str) or not value:
        return "x"
    at = len(value) // 2
    while not value[at].isalnum():
        at += 1
    return value[:at] + ("1" if value[at] != "1" else "2") + value[at + 1 :]


@pytest.fixture
def made(app: Keyturn, rotate: Rotate) -> Any:
    """The evidence of a rotation that follows another one."""
    rotate()
    return json.loads(text(app.evidence.of(rotate().id)))


def test_a_file_holds(app: Keyturn, made: Any) -> None:
    """It is as its schema says, agrees with itself, and this installation knows that it wrote it."""
    jsonschema.validate(made, json_schema())
    app.evidence.check_origin(check(made))
    assert "PRIVATE KEY" not in text(made)


def test_every_altered_field_is_refused(app: Keyturn, made: Any) -> None:
    """By the digest any; where that is made again, all but what was only recorded; with the key, those too."""
    unnoticed = []
    for path in leaves(made):
        if path != ("code",):
            with pytest.raises(EvidenceBroken):
                check(altered(made, path, is_sealed=False))
        try:
            file = check(altered(made, path, is_sealed=True))
        except EvidenceBroken:
            continue
        unnoticed.append(".".join(map(str, path)))
        with pytest.raises(EvidenceBroken, match="did not write the file"):
            app.evidence.check_origin(file)
    assert [] == [name for name in unnoticed if not RECORDED.fullmatch(name)]
    assert "rotation.connection" in unnoticed


def test_the_program_of_the_docs(made: Any, tmp_path: Path) -> None:
    """It accepts a real file, and refuses the altered ones that `keyturn evidence verify` refuses."""
    (source,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    program, file = tmp_path / "check_evidence.py", tmp_path / "evidence.json"
    program.write_text(source)

    def run(content: Any) -> int:
        file.write_text(text(content))
        return subprocess.run([sys.executable, "-I", program, file], capture_output=True, check=False).returncode

    assert 0 == run(made)
    for path in list(leaves(made))[::3]:
        name = ".".join(map(str, path))
        if not RECORDED.fullmatch(name):
            assert 0 != run(altered(made, path, is_sealed=True)), name


def test_openair_before_netsuite(made: Any) -> None:
    """A file whose journal saves to OpenAir what NetSuite had not confirmed is refused, and says that first."""
    del made["journal"][2]
    made["digest"] = digest_of(made)
    with pytest.raises(EvidenceBroken, match=r"^Entry 4 saves to OpenAir what NetSuite had not confirmed by then\."):
        check(made)


@pytest.mark.parametrize(
    ("table", "error"), [(models.journal, JournalBroken), (models.rotations, Tampered)], ids=["journal", "rotation"]
)
def test_what_was_changed_gives_no_evidence(
    app: Keyturn, rotate: Rotate, table: Any, error: type[KeyturnError]
) -> None:
    """An entry or a rotation that was changed outside Keyturn is refused before a file is made."""
    done = rotate()
    write(app, lambda tx, _name: tx.execute(table.update().values(actor="mallory")))
    with pytest.raises(error):
        app.evidence.of(done.id)


def test_half_a_character(made: Any) -> None:
    """A text that no file can hold is said to be none: the checker has no name for the place."""
    with pytest.raises(EvidenceBroken, match=r"not in the format: no text of Unicode\."):
        check({**made, "digest": "\ud800"})


def test_what_is_no_evidence_file(made: Any, tmp_path: Path) -> None:
    """A file of another kind or version, or that names a field twice, is refused as input."""
    file = tmp_path / "file.json"
    for content in ("", "[]", "{}", text({**made, "version": 2}), '{"schema": 1, ' + text(made)[1:]):
        file.write_text(content)
        with pytest.raises(InvalidInput):
            read(file)
    assert made["rotation"]["connection"] == NAME
