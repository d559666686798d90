"""The check for refused words: what it finds in prose, comments and names, and what an exception allows."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
RULES = {"words": {"whoever": "say who", "put(s|ting)? off": "postpone"}}


@pytest.fixture(scope="module")
def check_words() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_words", ROOT / "docs" / "check_words.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "text",
    ["Whoever asks", "the step is put off", "PUT_OFF", "_put_off_until", "it was put\noff", "# it was put\n    # off"],
)
def test_a_refused_word_is_found(check_words: ModuleType, text: str) -> None:
    """A refused word is found in any case, in names, and across a line break."""
    assert 1 == len(list(check_words.find_words("a.py", text, RULES)))


@pytest.mark.parametrize("text", ["an offer put officially", "output offline", "computer"])
def test_other_words_are_not_found(check_words: ModuleType, text: str) -> None:
    """A word that contains a refused word is allowed."""
    assert [] == list(check_words.find_words("a.py", text, RULES))


def test_an_exception_allows_one_text_in_one_file(check_words: ModuleType, tmp_path: Path) -> None:
    """The same word elsewhere is found, and an exception whose text is gone is an error."""
    exception = {"file": "a.md", "text": "“Whoever has ears”", "reason": "a quotation"}
    rules = RULES | {"exceptions": [exception]}
    text = "“Whoever has ears”\nand whoever asks"
    assert [2] == [found.line for found in check_words.find_words("a.md", text, rules)]
    assert [1, 2] == [found.line for found in check_words.find_words("b.md", text, rules)]
    assert 1 == len(list(check_words.stale_exceptions(rules, tmp_path)))
