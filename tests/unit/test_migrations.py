"""The migrations are one chain: two that are written at the same time do not get the same number."""

import re

from persistence.schema import MIGRATIONS


def test_each_migration_follows_the_one_before() -> None:
    """Each file's name begins with its number, and each follows the number before."""
    chain = []
    for file in sorted((MIGRATIONS / "versions").glob("0*.py")):
        found = dict(
            re.findall(r'^(revision|down_revision) = (?:"(\d+)"|None)$', file.read_text("utf-8"), re.MULTILINE)
        )
        chain.append((file.name[:4], found["revision"], found["down_revision"]))
    numbers = [f"{number:04}" for number in range(1, len(chain) + 1)]
    assert [(each, each, before) for each, before in zip(numbers, ["", *numbers], strict=False)] == chain
