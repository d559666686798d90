"""The alerting rules for Prometheus pass their tests and name existing metrics; the dashboard's queries are valid."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from acceptance.documentation import ROOT
from acceptance.installed_keyturn import NAME, InstalledKeyturn

RULES = ROOT / "monitoring" / "keyturn.rules.yml"
DASHBOARD = RULES.with_name("keyturn.dashboard.json")
TESTS = RULES.with_name("keyturn.rules.test.yml")
REFERENCE = ROOT / "docs" / "reference" / "metrics.md"

needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool") and os.environ.get("REQUIRE") != "all",
    reason="promtool is missing (Debian: apt-get install prometheus); REQUIRE=all makes this a failure",
)


def promtool(*words: object, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool to its end."""
    command = ["promtool", *map(str, words)]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)


def alerts(file: Path) -> list[str]:
    """The alerts that a file of rules or of tests names."""
    return re.findall(r"alert(?:name)?: (\w+)", file.read_text("utf-8"))


@needs_promtool
def test_the_rules_pass_their_tests() -> None:
    """Each rule is well-formed, and alerts in the cases that its tests describe, and in no other."""
    for words in (("check", "rules", RULES), ("test", "rules", TESTS)):
        run = promtool(*words)
        assert (0, True) == (run.returncode, "SUCCESS" in run.stdout), run.stdout + run.stderr


@needs_promtool
def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    """Each query of the dashboard is well-formed."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    asked = [ask["expr"].replace("$__range", "30d") for panel in panels for ask in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": ask} for number, ask in enumerate(asked)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), "utf-8")
    run = promtool("check", "rules", file)
    assert (0, True) == (run.returncode, f"{len(asked)} rules found" in run.stdout), run.stdout + run.stderr


@needs_promtool
def test_prometheus_accepts_the_metrics(connected: InstalledKeyturn) -> None:
    """What `keyturn metrics` prints is what Prometheus reads, and follows its conventions for names."""
    connected("rotate", NAME)
    run = promtool("check", "metrics", given=connected("metrics").stdout)
    assert (0, "") == (run.returncode, run.stdout + run.stderr)


def test_every_rule_has_a_test_and_a_line_in_the_guide() -> None:
    """No alert is left out of the tests or of the guide, and the guide names no other."""
    named = alerts(RULES)
    guide = (ROOT / "docs" / "how-to" / "monitor.md").read_text("utf-8")
    assert set(named) == set(alerts(TESTS)) == set(re.findall(r"`(Keyturn\w+)`", guide))


def test_the_rules_ask_for_metrics_that_there_are() -> None:
    """Each metric in a rule is one that Keyturn shows."""
    known = set(re.findall(r"`(keyturn_\w+)`", REFERENCE.read_text("utf-8")))
    rules = [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"keyturn_\w+", rule["expr"])}
    assert asked
    assert asked <= known
