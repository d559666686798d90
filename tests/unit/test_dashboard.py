"""The dashboard asks for what Keyturn shows, and with the rules for all of it."""

import json
import re
from pathlib import Path

import generate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PANELS = json.loads((ROOT / "monitoring" / "keyturn.dashboard.json").read_text("utf-8"))["panels"]
ASKED = {f"{panel['title']}, {ask['refId']}": ask for panel in PANELS for ask in panel["targets"]}
SHOWN = generate.shown_metrics()
NAME = re.compile(r"keyturn_\w+")
BY = re.compile(r"by \(([\w, ]+)\)")
MATCHED = re.compile(r"[{,]\s*(\w+)\s*[=!]")


def metric(name: str) -> str:
    """The metric that a name in a query belongs to: a histogram's buckets have one of their own."""
    return name if name in SHOWN else name.removesuffix("_bucket")


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_query_asks_for_what_there_is(ask: dict[str, str]) -> None:
    """Each metric of a query exists, with the labels by which it is grouped, chosen and named."""
    named = NAME.findall(ask["expr"])
    assert named
    assert set() == {metric(name) for name in named} - set(SHOWN)
    known = {label for name in named for label in generate.label_names(SHOWN[metric(name)])}
    known |= {"le"} if any(name.endswith("_bucket") for name in named) else set()
    grouped = {label.strip() for labels in BY.findall(ask["expr"]) for label in labels.split(",")}
    assert set() == (grouped | set(MATCHED.findall(ask["expr"]))) - known
    assert set() == set(re.findall(r"{{(\w+)}}", ask["legendFormat"])) - grouped


def test_every_metric_is_seen() -> None:
    """Each metric that Keyturn shows is in a panel or in a rule."""
    groups = yaml.safe_load((ROOT / "monitoring" / "keyturn.rules.yml").read_text("utf-8"))["groups"]
    expressions = [ask["expr"] for ask in ASKED.values()] + [rule["expr"] for each in groups for rule in each["rules"]]
    assert set(SHOWN) == {metric(name) for expression in expressions for name in NAME.findall(expression)}


def test_the_panels_fill_rows() -> None:
    """No two panels share a place, and none reaches beyond Grafana's 24 columns."""
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in PANELS)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert 24 == len({x for x, _ in taken}) == max(x for x, _ in taken) + 1
