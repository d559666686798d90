"""JSON's types as YAML: a reader of YAML reads back what was written."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.yaml_text import to_yaml

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
SECONDS = st.integers(-(10**9), 10**9).map(lambda number: number / 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | SECONDS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_yaml_reads_back(data: Any, ascii_only: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    """Any values and names do, also where only ASCII can be written."""
    written = to_yaml(data, ascii_only=ascii_only)
    assert data == yaml.safe_load(written)
    assert written.isascii() or not ascii_only


@pytest.mark.parametrize(
    "word", ["null", "Yes", "on", "~", "- a", "a: b", "a #b", "1e3", "2026-11-23", "0x1f", "", " a", "=", "<<"]
)
def test_a_text_stays_a_text(word: str) -> None:
    """What a reader could take for something else is quoted."""
    assert {"at": [word]} == yaml.safe_load(to_yaml({"at": [word]}))


def test_how_yaml_looks() -> None:
    """Block style, with plain texts where they are safe."""
    data = [
        {"id": "01A", "failure": {"code": "TRY_LATER", "said": "a: b"}, "tags": ["x", []], "none": None, "more": {}}
    ]
    failure = '  failure:\n    code: TRY_LATER\n    said: "a: b"\n'
    assert f'- id: "01A"\n{failure}  tags:\n    - x\n    - []\n  none: null\n  more: {{}}' == to_yaml(data)
