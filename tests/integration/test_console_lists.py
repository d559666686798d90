"""The console's pages across connections and rotations: the journal, the workers, expiries and bulk rotations."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from integration.fixture_types import Rotate
from sqlalchemy import text as sql
from support.console import RunningConsole, running_console
from support.environment import NAME

from orchestrator.bootstrap import Keyturn


@pytest.fixture
def console(app: Keyturn) -> Iterator[RunningConsole]:
    with running_console(app) as running:
        running.sign_in()
        yield running


def text(console: RunningConsole, path: str, status: int = 200) -> str:
    """What a page says, without its tags."""
    answer = console.get(path)
    assert status == answer.status_code, answer.text
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def following(console: RunningConsole, path: str) -> str:
    """The address of the next page."""
    return unescape(re.findall(r'rel="next" href="([^"]*)"', console.get(path).text)[0])


def test_the_journal(app: Keyturn, console: RunningConsole, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has every entry with its check, filters and pages by its address, and says what was changed."""
    assert "Nothing has happened yet." in text(console, "/journal")
    done = rotate()
    shown = text(console, "/journal")
    for words in ("Requested initial, asked by", "SavedToOpenAir", "as written", NAME):
        assert words in shown
    assert f'id="entry-{done.id}-5"' in console.get(f"/journal?connection={NAME}&event=verify&since=1h").text
    assert f'id="entry-{done.id}-4"' not in console.get("/journal?event=verify").text
    assert "No entry matches." in text(console, f"/journal?rotation={NAME}&actor=unknown")
    monkeypatch.setattr("orchestrator.console.journal_page._PAGE", 3)
    older = console.get(following(console, f"/journal?rotation={NAME}")).text
    assert [f"{done.id}-2", f"{done.id}-1"] == re.findall(r'id="entry-([^"]+)"', older)
    for wrong in ("event=x", "since=x", "after=x"):
        assert 422 == console.get(f"/journal?{wrong}").status_code
    for unknown in ("connection=unknown", "rotation=unknown"):
        assert 404 == console.get(f"/journal?{unknown}").status_code
    with app.store._database.writing() as tx:
        tx.execute(sql("UPDATE journal SET actor = 'eve' WHERE seq = 4"))
    assert "1 entry on this page is not as Keyturn wrote it." in text(console, f"/journal?rotation={NAME}")
    assert "Entry 4 of this journal is not as Keyturn wrote it." in text(console, f"/rotations/{done.id}")
