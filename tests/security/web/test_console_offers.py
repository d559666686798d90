"""No page offers what the table of route and role does not let its reader do."""

from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from itertools import takewhile
from urllib.parse import urljoin

import pytest
from support.console import RunningConsole, running_console
from support.environment import NAME

from orchestrator.bootstrap import Keyturn
from orchestrator.cli.demo.browser import DemoFaults
from orchestrator.console.access import ROUTES, Permissions, role_for
from orchestrator.operations.verbs import VERBS
from simulator import Simulator
from states.access import Role
from states.rotation import Rotation

NEEDS = "needs the role operator"
ADDRESSES = {"a": "href", "link": "href", "script": "src", "img": "src", "div": "hx-sse:connect"}
PAGES = sorted(path for method, path in ROUTES if method == "GET" and not path.startswith("/live"))
STREAMS = sorted(path for method, path in ROUTES if method == "GET" and path.startswith("/live"))


class Offers(HTMLParser):
    """What a page can be made to ask for: its links, files, streams and forms, as methods and addresses."""

    def __init__(self, page: str, text: str) -> None:
        super().__init__()
        self.page = page
        self.found: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(ADDRESSES.get(tag, "")) or "#"
        if not address.startswith("#"):  # a place on this page asks for nothing
            self.found.add(("GET", urljoin(self.page, address)))
        if tag == "form" and given.get("method") != "dialog":
            self.found.add((str(given.get("method") or "get").upper(), urljoin(self.page, given.get("action") or "")))


@pytest.fixture(scope="module")
def console(app: Keyturn, simulator: Simulator) -> Iterator[RunningConsole]:
    """The demo's console, which has every page."""
    with running_console(app, faults=DemoFaults(simulator)) as running:
        yield running


@pytest.fixture(scope="module")
def names(app: Keyturn, parked: Rotation) -> dict[str, str]:
    """What the parameters of paths stand for, with a token besides the people."""
    app.tokens.add("nightly", Role.VIEWER, days=1, actor="root")
    return {"name": NAME, "rotation": parked.id, "account": "viewer", "token": "nightly"}


def fragment(person: RunningConsole, address: str) -> str:
    """The first fragment that a stream sends."""
    with closing(person.http.get(f"{person.url}{address}?since=0", stream=True, timeout=60)) as answer:
        lines = answer.iter_lines(decode_unicode=True)
        first = next(line for line in lines if line.startswith("data: <title>"))
        return "\n".join([first, *takewhile(bool, lines)]).replace("data: ", "")


def refused(role: Role, page: str, text: str) -> list[tuple[str, str]]:
    """What is offered on the page to who may not do it. What no route answers fails here, too."""
    return sorted(each for each in Offers(page, text).found if not Permissions(role).can(*each))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", PAGES)
def test_pages_offer_what_their_reader_may_do(
    people: dict[Role, RunningConsole], names: dict[str, str], role: Role, path: str
) -> None:
    """Each link and form of each page, also of one that refuses, leads where its reader's role may go."""
    for verb in VERBS if "{verb}" in path else [""]:
        page = path.format(**names, verb=verb)
        assert [] == refused(role, page, people[role].get(page).text), page
        for asked in (f"{page}?ask=1", f"{page}?connection={NAME}&q=x&group=due"):
            assert [] == refused(role, page, people[role].get(asked).text), asked


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("path", STREAMS)
def test_streams_offer_what_their_reader_may_do(
    people: dict[Role, RunningConsole], names: dict[str, str], role: Role, path: str
) -> None:
    """A fragment that a stream sends is its reader's, though others with another role read the same page."""
    page = path.removeprefix("/live").format(**names) or "/"
    for person in people.values():
        fragment(person, path.format(**names))  # rendered last for another role
    assert [] == refused(role, page, fragment(people[role], path.format(**names)))


def test_a_problem_offers_what_its_reader_may_do(people: dict[Role, RunningConsole], names: dict[str, str]) -> None:
    """A refused form leads only where its reader may go; the way out is named for everyone."""
    page = "/rotations/{rotation}/resume".format(**names)
    for role, person in people.items():
        answer = person.post(page, {"version": "0", "reason": "x"})
        assert (412 if role.includes(Role.OPERATOR) else 403) == answer.status_code
        assert [] == refused(role, page, answer.text)


def test_what_a_viewer_reads_instead(people: dict[Role, RunningConsole], names: dict[str, str]) -> None:
    """A viewer reads which action is the next safe one, its command, and its role; an operator has a button."""
    rotation, resume = names["rotation"], "/rotations/{rotation}/resume".format(**names)
    for page in ("/", f"/rotations/{rotation}"):
        shown = people[Role.VIEWER].text(page)
        assert f"Resume {NEEDS}" in shown
        assert f"keyturn rotation resume {rotation}" in shown
        assert f"<b>Resume</b> {NEEDS}" in fragment(people[Role.VIEWER], f"/live{page}")
        for answer in (people[Role.OPERATOR].get(page).text, fragment(people[Role.OPERATOR], f"/live{page}")):
            assert ("GET", resume) in Offers(page, answer).found
            assert NEEDS not in answer
    assert f"Rotate all that match … {NEEDS}" in people[Role.VIEWER].text("/connections")


def test_who_is_offered_what_in_the_navigation(people: dict[Role, RunningConsole]) -> None:
    """Settings are an administrator's, the demo's faults an operator's."""
    offered = {
        role: {path for _, path in Offers("/", person.get("/").text).found if path in ("/settings/people", "/demo")}
        for role, person in people.items()
    }
    assert {
        Role.VIEWER: set(),
        Role.OPERATOR: {"/demo"},
        Role.ADMINISTRATOR: {"/demo", "/settings/people"},
    } == offered


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_address_has_its_routes_role(method: str, path: str) -> None:
    """A page's address, with its fields, needs the role of the route that answers it."""
    filled = path.format(name="acme", rotation="R1", verb="resume", account="bob", token="nightly")
    assert ROUTES[method, path] == role_for(method, filled) == role_for(method, f"{filled}?q=/demo#x")
    for wrong in (f"{filled}/more/of/it", "https:", f"x{filled}"):
        with pytest.raises(LookupError):
            role_for(method, wrong)
