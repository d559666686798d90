"""The pages of the documentation's site: found by their links, moved with them, and dead links are named."""

from pathlib import Path

import build_site
import pytest
import site_links

START = build_site.START


def tree(root: Path, **pages: str) -> build_site.Pages:
    """The pages of a tree with these files below docs/, the first page among them as `start`."""
    for name, text in {"start": "[a](guide/a.md)", **pages}.items():
        file = root / (START if name == "start" else f"docs/guide/{name}.md")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return build_site.Pages(root)


def test_links_lead_to_the_places_in_the_site(tmp_path: Path) -> None:
    """A link to a page, a file or a folder outside docs/ leads to its copy; other sites and anchors stay."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "one.py").touch()
    (tmp_path / "NEWS.md").write_text("# News\n", "utf-8")
    links = "[n](../../NEWS.md#new) [c](../../code/) [f](../../code/one.py) [o](https://example.com/a) [h](#here)"
    pages = tree(tmp_path, a=links)
    assert [] == pages.problems
    moved = "[n](../project/NEWS.md#new) [c](../project/code/README.md) [f](../files/code/one.py)"
    assert f"{moved} [o](https://example.com/a) [h](#here)" == pages.texts[Path("docs/guide/a.md")]
    assert {Path("code/one.py")} == pages.files
    assert "# Code\n\n- [one.py](../../files/code/one.py)\n" == pages.texts[Path("code/README.md")]


def test_code_is_no_link(tmp_path: Path) -> None:
    """What looks like a link in a block of code stays as it is."""
    code = "```\n[a](nothing.md)\n```\n"
    assert code == tree(tmp_path, a=code).texts[Path("docs/guide/a.md")]


def test_a_list_after_text_gets_the_line_that_python_markdown_needs(tmp_path: Path) -> None:
    """A list begins after an empty line; its items stay together, and a continued item is none of them."""
    page = tree(tmp_path, a="**Some**\n- one\n  goes on\n- two\n").texts[Path("docs/guide/a.md")]
    assert "**Some**\n\n- one\n  goes on\n- two\n" == page


@pytest.mark.parametrize("link", ["nothing.md", "../../nothing.py", "../../nothing/", "../../../outside.md"])
def test_a_dead_link_is_a_problem(tmp_path: Path, link: str) -> None:
    """A link to what does not exist, or is outside the tree, is named with its page."""
    (tmp_path.parent / "outside.md").touch()
    assert [f"docs/guide/a.md: {link} leads nowhere"] == tree(tmp_path, a=f"[x]({link})").problems


def test_a_page_that_no_page_links_is_a_problem(tmp_path: Path) -> None:
    """Each page below docs/ can be reached."""
    assert ["docs/guide/b.md: no page leads to it"] == tree(tmp_path, a="# A", b="# B").problems


def test_the_repository_has_no_dead_link() -> None:
    """The project's own pages are all reached, and all their links lead somewhere."""
    pages = build_site.Pages(Path(__file__).parents[2])
    assert [] == pages.problems
    assert list(build_site.SECTIONS.values()) == list(build_site.navigation(pages))


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="b.html#there">', None),
        ('<a href="https://example.com/">', None),
        ('<a href="b.html#gone">', "a.html: b.html#gone leads nowhere"),
        ('<a href="#gone">', "a.html: #gone leads nowhere"),
        ('<img src="no.png">', "a.html: no.png leads nowhere"),
        ('<script src="https://example.com/a.js"></script>', "a.html: loads https://example.com/a.js"),
        ('<link rel="stylesheet" href="//example.com/a.css">', "a.html: loads //example.com/a.css"),
    ],
)
def test_a_built_page_is_checked(tmp_path: Path, html: str, problem: str | None) -> None:
    """Links and anchors exist, and nothing is loaded from another host."""
    (tmp_path / "a.html").write_text(html, "utf-8")
    (tmp_path / "b.html").write_text('<h1 id="there">', "utf-8")
    assert [problem] * bool(problem) == list(site_links.problems(tmp_path))


def test_a_stylesheet_is_checked(tmp_path: Path) -> None:
    """A font from another host is named."""
    (tmp_path / "a.css").write_text("a { src: url(https://example.com/a.woff2) }", "utf-8")
    assert ["a.css: loads from elsewhere"] == list(site_links.problems(tmp_path))
