"""Templates of JSONPath, as kubectl has them."""

import pytest

from orchestrator.cli.json_path import template

DATA = [
    {"id": "01A", "state": "Failed", "tries": 3, "failure": {"code": "X"}, "tags": ["a", "b"], "open": True},
    {"id": "01B", "state": "Completed", "tries": 0, "failure": None, "tags": [], "open": False},
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{[*].id}", "01A 01B"),
        ("[*].id", "01A 01B"),
        ("{$[0]['state']}", "Failed"),
        ('{[-1]["id"]}', "01B"),
        ("{[0:1].id}", "01A"),
        ("{[1:].id}", "01B"),
        ("{[:-1].id}", "01A"),
        ("{[0].tags}", '["a", "b"]'),
        ("{[0].tags[*]}", "a b"),
        ("{[0].failure.*}", "X"),
        ("{[*].tries} {[*].open}", "3 0 true false"),
        ("{[*].failure.code}", "X"),
        ("{[1].failure}", ""),
        ("{[*].unknown}{[7].id}", ""),
        ('{range [*]}{.id}={.state}{"\\n"}{end}done', "01A=Failed\n01B=Completed\ndone"),
        ("{range [*]}{.id}: {range .tags[*]}<{@}>{end};{end}", "01A: <a><b>;01B: ;"),
        ("{range [*]}{$[0].id}{end}", "01A01A"),
        ("{[?(@.state=='Failed')].id}", "01A"),
        ('{[?(@.state!="Failed")].id}', "01B"),
        ("{[?(@.tries>=3)].id}", "01A"),
        ("{[?(@.tries<1)].id}", "01B"),
        ("{[?(@.tries>'a')].id}", ""),
        ("{[?(@.open==true)].id}", "01A"),
        ("{[?(@.failure)].id}", "01A 01B"),
        ("{..code}", "X"),
        ("{'{'}{.id}{\"}\"}", "{}"),
        ("plain", "plain"),
    ],
)
def test_a_template(text: str, expected: str) -> None:
    """Fields, items, conditions and ranges; what is not there is empty."""
    assert expected == template(text)(DATA)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{.id", "brace"),
        ("id}", "brace"),
        ("{range [*]}{.id}", "has no {end}"),
        ("{end}", "'end' is no query"),
        ("{id}", "'id' is no query"),
        ("{[x]}", "is no query"),
        ("{[?(state)]}", "is no query"),
        ("{[?(@.a==b)]}", "is no query"),
        ('{"\\x"}', "is no text"),
    ],
)
def test_what_is_no_template(text: str, why: str) -> None:
    """It is refused when it is read, before anything is done."""
    with pytest.raises(ValueError, match=why):
        template(text)
