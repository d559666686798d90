"""The table as Mermaid, Markdown and SVG. Pure text; `lit` marks one state as the current one."""

from typing import Final
from xml.sax.saxutils import escape

from states.state import State
from states.table import ACTIVE, EDGES, FAIL, FORWARD, RESUME

_WIDTH, _HEIGHT, _GAP = 168, 48, 136
_TOP, _BOTTOM, _MARGIN = 24, 158, 24
_LIT: Final = {State.FAILED: "#b3261e"}
"""Trouble does not look like progress. White ink on either colour contrasts by more than 4.5 to 1 (WCAG)."""
_PROGRESS: Final = "#087a44"
_PATH: Final = (*ACTIVE, State.COMPLETED)


def mermaid(lit: State | None = None) -> str:
    """A Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {State.REQUESTED}"]
    lines += [f"    {edge.source} --> {edge.target}: {edge.trigger}" for edge in EDGES]
    lines.append(f"    {State.COMPLETED} --> [*]")
    if lit:
        lines += [f"    classDef lit fill:{_LIT.get(lit, _PROGRESS)},color:#fff", f"    class {lit} lit"]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The reference table of every legal move."""
    rows = ["| from | trigger | to | what makes it safe, or when it is made |", "|---|---|---|---|"]
    rows += [f"| {edge.source} | `{edge.trigger}` | {edge.target} | {edge.why} |" for edge in EDGES]
    return "\n".join(rows) + "\n"


def svg(lit: State | None = None) -> str:
    """A drawing of the way forward in a row, with Failed below it."""
    width = _x(len(_PATH) - 1) + _WIDTH + _MARGIN
    height = _BOTTOM + _HEIGHT + _MARGIN
    failed_x = (_x(0) + _x(len(ACTIVE) - 1)) // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="14">',
        "<title>The states of a rotation</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
        ' orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="#456"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    parts += [_arrow(index, edge.trigger) for index, edge in enumerate(FORWARD)]
    parts += [_drop(index, failed_x) for index in range(len(ACTIVE))]
    parts += [_box(state, _x(index), _TOP, lit) for index, state in enumerate(_PATH)]
    parts += [_box(State.FAILED, failed_x, _BOTTOM, lit)]
    parts += [
        f'<text x="{failed_x + _WIDTH + 16}" y="{_BOTTOM + 22}" fill="#456" font-size="12">'
        f"{FAIL}: refused, or its retry policy gave up</text>",
        f'<text x="{failed_x + _WIDTH + 16}" y="{_BOTTOM + 40}" fill="#456" font-size="12">'
        f"{RESUME}: back to the state it failed from</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(index: int) -> int:
    return _MARGIN + index * (_WIDTH + _GAP)


def _box(state: State, x: int, y: int, lit: State | None) -> str:
    fill, ink = (_LIT.get(state, _PROGRESS), "#fff") if state is lit else ("#eef3f8", "#123")
    dash = ' stroke-dasharray="5 4"' if state is State.FAILED else ""
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="{fill}" stroke="#456"{dash}/>'
        f'<text x="{x + _WIDTH // 2}" y="{y + _HEIGHT // 2 + 5}" text-anchor="middle" fill="{ink}">'
        f"{escape(state)}</text>"
    )


def _arrow(index: int, label: str) -> str:
    start, end, y = _x(index) + _WIDTH, _x(index + 1) - 2, _TOP + _HEIGHT // 2
    return (
        f'<path d="M{start} {y}H{end}" stroke="#456" fill="none" marker-end="url(#tip)"/>'
        f'<text x="{(start + end) // 2}" y="{y - 10}" text-anchor="middle" fill="#456" font-size="12">'
        f"{escape(label)}</text>"
    )


def _drop(index: int, failed_x: int) -> str:
    x = _x(index) + _WIDTH // 2
    to = failed_x + _WIDTH * (index + 1) // (len(ACTIVE) + 1)
    return (
        f'<path d="M{x} {_TOP + _HEIGHT + 2}C{x} {_BOTTOM - 30} {to} {_TOP + _HEIGHT + 30} {to} {_BOTTOM - 2}"'
        ' stroke="#456" fill="none" stroke-dasharray="5 4" marker-start="url(#tip)" marker-end="url(#tip)"/>'
    )
