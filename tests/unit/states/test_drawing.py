"""The drawings: derived from the table, each move in them once, the current state lit."""

import re
from collections import Counter
from itertools import pairwise
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from states.drawing import markdown, mermaid, svg
from states.state import State
from states.table import EDGES, FAIL, FORWARD, RESUME

SVG = "{http://www.w3.org/2000/svg}"
EVERY_WAY = pytest.mark.parametrize("lit", [None, *State])


def drawing(lit: State | None = None) -> Element:
    return fromstring(svg(lit))


def texts(element: Element) -> list[str]:
    return [text.text or "" for text in element.iter(f"{SVG}text")]


def fills(lit: State | None = None) -> dict[str | None, str]:
    """The colour of the box behind each state's name."""
    elements = list(drawing(lit))
    pairs = pairwise(elements)
    return {
        name.text: box.get("fill", "") for box, name in pairs if box.tag == f"{SVG}rect" and name.tag == f"{SVG}text"
    }


def luminance(colour: str) -> float:
    """Relative luminance of ``#rgb`` or ``#rrggbb`` (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# --- Mermaid ----------------------------------------------------------------------------------------------------------


def test_mermaid_has_each_move_once() -> None:
    """No move is left out, none is drawn twice, and there is none that the table does not have."""
    found = re.findall(r"^    (\w+) --> (\w+): (\w+)$", mermaid(), re.MULTILINE)
    assert Counter((edge.source, edge.target, edge.trigger) for edge in EDGES) == Counter(found)


def test_mermaid_begins_and_ends() -> None:
    """A rotation begins in Requested; the only end is Completed."""
    expected = ["[*] --> Requested", "Completed --> [*]"]
    assert expected == re.findall(r"(?:\[\*\] --> \w+|\w+ --> \[\*\])", mermaid())


@pytest.mark.parametrize("lit", State)
def test_mermaid_lights_the_current_state(lit: State) -> None:
    """One class, on one state, in the colour that the drawing lights it with."""
    assert [str(lit)] == re.findall(r"^    class (\w+) lit$", mermaid(lit), re.MULTILINE)
    assert [fills(lit)[lit]] == re.findall(r"^    classDef lit fill:(#\w+),color:#fff$", mermaid(lit), re.MULTILINE)


def test_mermaid_lights_nothing_unasked() -> None:
    """The drawing in the documentation is of no rotation."""
    assert "lit" not in mermaid()


# --- Markdown ---------------------------------------------------------------------------------------------------------


def test_the_reference_has_a_row_for_each_move() -> None:
    """In the order of the table, with the reason."""
    rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in markdown().splitlines()[2:]]
    expected = [(edge.source, f"`{edge.trigger}`", edge.target, edge.why) for edge in EDGES]
    assert expected == rows


# --- SVG --------------------------------------------------------------------------------------------------------------


@EVERY_WAY
def test_every_state_is_drawn_once(lit: State | None) -> None:
    """Well-formed XML, in which each state has one box with its wire name."""
    found = Counter(texts(drawing(lit)))
    assert dict.fromkeys(map(str, State), 1) == {state.value: found[state] for state in State}


def test_every_step_is_named() -> None:
    """Each arrow forward carries its trigger; failing and resuming are explained once."""
    found = texts(drawing())
    assert {edge.trigger for edge in FORWARD} <= set(found)
    assert 2 == sum(text.startswith((f"{FAIL}:", f"{RESUME}:")) for text in found)


def test_there_is_an_arrow_for_each_way() -> None:
    """Four forward, four between the active states and Failed (there and back)."""
    tips = [path for path in drawing().iter(f"{SVG}path") if path.get("marker-end")]
    assert (8, 4) == (len(tips), sum(path.get("marker-start") is not None for path in tips))


@pytest.mark.parametrize("lit", State)
def test_the_current_state_is_coloured(lit: State) -> None:
    """The box behind its name, and no other."""
    plain, coloured = fills(), fills(lit)
    assert [lit] == [state for state in State if plain[state] != coloured[state]]


def test_nothing_is_coloured_unasked() -> None:
    """The drawing in the documentation is of no rotation: all boxes look the same."""
    assert 1 == len(set(fills().values()))


def test_trouble_does_not_look_like_progress() -> None:
    """Failed is lit in a colour of its own."""
    assert fills(State.FAILED)[State.FAILED] != fills(State.COMPLETED)[State.COMPLETED]


@pytest.mark.parametrize("lit", State)
def test_the_lit_name_can_be_read(lit: State) -> None:
    """Ink and fill contrast by 4.5 to 1 or more (WCAG 2.2, 1.4.3)."""
    (ink,) = (text.get("fill", "") for text in drawing(lit).iter(f"{SVG}text") if text.text == lit)
    assert re.fullmatch(r"#[0-9a-f]{3}", ink)
    assert re.fullmatch(r"#[0-9a-f]{6}", fills(lit)[lit])
    lighter, darker = sorted([luminance(ink), luminance(fills(lit)[lit])], reverse=True)
    assert 4.5 <= (lighter + 0.05) / (darker + 0.05)


@EVERY_WAY
def test_everything_lies_within_the_drawing(lit: State | None) -> None:
    """No box and no text begins outside the view box."""
    root = drawing(lit)
    _, _, width, height = map(int, root.get("viewBox", "").split())
    for element in root.iter():
        if element.tag in (f"{SVG}rect", f"{SVG}text"):
            assert 0 <= int(element.get("x", 0)) <= width - int(element.get("width", 0))
            assert 0 <= int(element.get("y", 0)) <= height - int(element.get("height", 0))


@EVERY_WAY
def test_the_drawing_needs_nothing_else(lit: State | None) -> None:
    """No script, no style, no link: it may be shown under the strictest content policy."""
    tags = {element.tag.removeprefix(SVG) for element in drawing(lit).iter()}
    assert {"svg", "title", "defs", "marker", "path", "rect", "text"} == tags
    assert "href" not in svg(lit)


def test_it_has_a_title() -> None:
    """For those who hear it read to them."""
    assert "The states of a rotation" == drawing().findtext(f"{SVG}title")
