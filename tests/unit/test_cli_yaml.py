"""JSON's types as YAML: a reader of YAML reads back what was written."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.output import as_yaml
from orchestrator.control_characters import visible

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
SECONDS = st.integers(-(10**9), 10**9).map(lambda number: number / 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | SECONDS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_yaml_reads_back(data: Any, is_unicode: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    """Any values and names do, also where only ASCII can be written; and a terminal shows what is written."""
    written = as_yaml(data, is_unicode=is_unicode)
    assert data == yaml.safe_load(written)
    assert visible(written) == written
    assert written.isascii() or is_unicode


def test_how_yaml_looks() -> None:
    """Block style, with plain texts where they are safe, in the order of the JSON."""
    data = [{"id": "01A", "failure": {"code": "TRY_LATER", "said": "a: é"}, "tags": ["x", []], "none": None, "at": {}}]
    failure = "  failure:\n    code: TRY_LATER\n    said: 'a: é'\n"
    assert f"- id: 01A\n{failure}  tags:\n  - x\n  - []\n  none: null\n  at: {{}}" == as_yaml(data, is_unicode=True)
