"""The decision table for answers from OpenAir's XML API, row by row."""

from dataclasses import replace

import pytest

from orchestrator.adapters import openair_errors
from orchestrator.adapters.decision_table import first_match
from orchestrator.adapters.openair_errors import RULES, Reply
from states import errors

NOT_SIGNED_IN = ("2", "9", "401", "412", "415", "416", "417", "418", "419", "420", "502", "503", "504", "505", "506")
SAME_FOR_BOTH = [
    ("302", Reply(status=302, command=""), errors.WrongBaseUrl),
    ("404", Reply(status=404, command=""), errors.WrongBaseUrl),
    ("405", Reply(status=405, command=""), errors.WrongBaseUrl),
    ("HTTP 426", Reply(status=426, command=""), errors.WrongBaseUrl),
    ("code 6", Reply(status=200, command="", code="6"), errors.WrongBaseUrl),
    ("code 426", Reply(status=200, command="", code="426"), errors.WrongBaseUrl),
    ("HTTP 429", Reply(status=429, command=""), errors.Throttled),
    ("code 556", Reply(status=200, command="", code="556"), errors.Throttled),
    ("HTTP 401", Reply(status=401, command=""), errors.SignInRefused),
    *((f"code {it}", Reply(status=200, command="", code=it), errors.SignInRefused) for it in NOT_SIGNED_IN),
    ("HTTP 403", Reply(status=403, command=""), errors.NotPermitted),
    ("code 413", Reply(status=200, command="", code="413"), errors.NotPermitted),
    *(
        (f"code {it} with a password", Reply(status=200, command="", code=it, by_token=False), errors.TryLater)
        for it in ("9", "419")
    ),
    *((f"code {it}", Reply(status=200, command="", code=it), errors.TryLater) for it in ("422", "606")),
    *((f"code {it}", Reply(status=200, command="", code=it), errors.Refused) for it in ("424", "1106", "1418")),
    ("code 414", Reply(status=200, command="", code="414"), errors.TryLater),
    ("code 965", Reply(status=200, command="", code="965"), errors.TryLater),
    ("code 601", Reply(status=200, command="", code="601"), errors.TryLater),
    ("code 5", Reply(status=200, command="", code="5"), errors.Refused),
]
UNCLEAR = [
    ("HTTP 500", Reply(status=500, command="")),
    ("HTTP 503", Reply(status=503, command="")),
    ("no XML", Reply(status=200, command="")),
    ("unknown error", Reply(status=200, command="", code="1")),
]


def with_command(reply: Reply, command: str) -> Reply:
    return replace(reply, command=command)


@pytest.mark.parametrize("command", ["Read", "Add", "Modify"])
@pytest.mark.parametrize(
    ("reply", "expected"), [row[1:] for row in SAME_FOR_BOTH], ids=[row[0] for row in SAME_FOR_BOTH]
)
def test_same_for_reads_and_writes(reply: Reply, expected: type[errors.KeyturnError], command: str) -> None:
    """After these answers it is certain that nothing was changed, for writes too."""
    assert expected is type(openair_errors.error_of(with_command(reply, command)))


@pytest.mark.parametrize("reply", [row[1] for row in UNCLEAR], ids=[row[0] for row in UNCLEAR])
def test_unclear_for_writes(reply: Reply) -> None:
    """After these answers a write is in doubt and a read is retried."""
    assert [errors.TryLater, errors.Unknown, errors.Unknown] == [
        type(openair_errors.error_of(with_command(reply, command))) for command in ("Read", "Add", "Modify")
    ]


@pytest.mark.parametrize("code", ["414", "556", ""])
def test_retry_after_is_kept(code: str) -> None:
    """The error has the seconds of the answer's Retry-After."""
    seconds = 12.0
    error = openair_errors.error_of(Reply(status=200, command="Read", code=code, retry_after=seconds))
    assert isinstance(error, errors.TryLater)
    assert seconds == error.retry_after


@pytest.mark.parametrize(
    ("reply", "expected"),
    [(Reply(status=503, command="Add"), "(Add, HTTP 503)"), (Reply(status=200, command="Add", code="5"), "code 5)")],
)
def test_message_shows_the_error(reply: Reply, expected: str) -> None:
    """The message shows the command and OpenAir's code, or the HTTP status if there is no code."""
    assert expected in openair_errors.error_of(reply).message


def test_each_refusal_is_in_its_own_words() -> None:
    """Namespace, key and permission differ; a redirect names its host."""
    said = [openair_errors.error_of(Reply(status=200, command="Read", code=it)).message for it in NOT_SIGNED_IN]
    assert len(set(said)) == len(said)
    moved = openair_errors.error_of(Reply(status=302, command="Read", location="https://other.example"))
    assert "(Read, HTTP 302, to https://other.example)" in moved.message


DECIDED_BY = {
    "302": "wrong address",
    "code 556": "throttled",
    "code 401": "sign-in refused",
    "HTTP 403": "not permitted",
    "code 414": "temporary",
    "code 419 with a password": "session ended",
    "code 1418": "not accepted",
    "code 5": "refused",
    "HTTP 500": "unclear",
}


def test_every_rule_decides_something() -> None:
    """Each rule is the first that applies to one of the answers above."""
    replies = {row[0]: row[1] for row in (*SAME_FOR_BOTH, *UNCLEAR) if row[0] in DECIDED_BY}
    assert DECIDED_BY == {name: first_match(RULES, reply).name for name, reply in replies.items()}
    assert {rule.name for rule in RULES} == set(DECIDED_BY.values())
