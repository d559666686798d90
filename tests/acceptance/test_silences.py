"""`keyturn silence`: what a person types, what they see, and where it shows."""

from acceptance.installed_keyturn import NAME, InstalledKeyturn

from simulator import Simulator

WHY = ("--until", "2d", "--reason", "OpenAir is being moved")


def test_a_silence_from_its_preview_to_its_end(connected: InstalledKeyturn, simulator: Simulator) -> None:
    """The preview stores nothing; then status, list and messages show it, and its end is shown by --all."""
    simulator.netsuite.record.reset("missing")
    assert connected("rotate", NAME).returncode
    preview = connected("silence", "add", NAME, *WHY, "--dry-run")
    assert 0 == preview.returncode, preview.stderr
    assert f"PARKED {NAME}: Rotation" in preview.stdout
    assert [] == connected.json("silence", "list")
    made = connected.json("silence", "add", NAME, *WHY)
    assert (NAME, None, False, ["PARKED"]) == (
        *(made["connection"], made["kind"], made["dry_run"]),
        [each["kind"] for each in made["silenced"]],
    )
    (alert,) = connected.json("alert", "list")
    assert (made["id"], made["until"]) == (alert["silence"]["id"], alert["silence"]["until"])
    sentence = f"by {made['created_by']}: OpenAir is being moved"
    for shown in (connected("status"), connected("alert", "list")):
        assert "Silenced until " in shown.stdout
        assert sentence in shown.stdout
    assert 0 == connected("alert", "send").returncode
    assert "silenced" in connected("alert", "messages").stdout
    assert 0 == connected("silence", "end", made["id"]).returncode
    assert "Nothing is silenced." in connected("silence", "list").stderr
    (over,) = connected.json("silence", "list", "--all")
    assert (made["created_by"], False) == (over["ended_by"], over["active"])
    assert "Silenced" not in connected("status").stdout


def test_what_is_no_silence_is_refused(connected: InstalledKeyturn) -> None:
    """An outage is not silenced for all connections; each silence has an end within 90 days, and a known name."""
    for words, problem in (
        (("--kind", "outage", *WHY), "OUTAGE is silenced for one connection at a time. Name it."),
        ((NAME, "--until", "91d", "--reason", "x"), "A silence ends in the future, and after 90 days at most."),
        ((NAME, "--until", "2020-01-01", "--reason", "x"), "A silence ends in the future"),
        ((NAME, "--until", "soon", "--reason", "x"), "'soon' is neither a span of time"),
        (WHY, "A silence names a connection, a kind of alert, or both."),
        (("nowhere", *WHY), "nowhere"),
        ((NAME, "--until", "2d"), "--reason"),
    ):
        refused = connected("silence", "add", *words, "-o", "json")
        assert 0 != refused.returncode, words
        assert problem in refused.stderr, words
    assert 0 != connected("silence", "end", "01KAX5Z5Q4V0T2N6M8R9S3W7YB").returncode
