"""The person of the random schedules can do all that a step's error may advise."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERB = re.compile(r"Verb\.([A-Z_]+)")
ELSEWHERE = {"CONFIRM"}
"""What no schedule needs: none has a connection that is set by hand."""


def test_the_person_can_do_what_an_adapter_advises() -> None:
    """Each verb that an adapter's errors name is one of the person's cases; else one run of many fails."""
    adapters = (ROOT / "orchestrator" / "adapters").glob("*.py")
    advised = {verb for each in adapters for verb in VERB.findall(each.read_text())}
    person = (ROOT / "tests/faults/advised_operator.py").read_text()
    done = {verb for line in re.findall(r"case (Verb.*):", person) for verb in VERB.findall(line)}
    assert "EXPORT_SUITESCRIPT" in advised
    assert ELSEWHERE == advised - done
