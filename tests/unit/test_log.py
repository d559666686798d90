"""Logs: one line a record on standard error, and no secret in any of them."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from support.factories import a_rotation

from orchestrator import log
from states import machine
from states.errors import TryLater

Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return lambda: capsys.readouterr().err.splitlines()  # noqa: PLW0108 - read anew at each call


SECRETS = [
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----\nMIIEvQIBADAN",
    "Authorization: Bearer MIIEvQIBADAN.x-y_z",
    "Authorization: Basic MIIEvQIBADAN==",
    "eyJhbGciOiJFUzI1NiJ9.MIIEvQIBADAN.c2ln",
    "https://user:MIIEvQIBADAN@host/path",
    "POST body client_assertion=MIIEvQIBADAN&grant_type=x",
    "{'refresh_token': 'MIIEvQIBADAN'}",
    "<password>MIIEvQIBADAN</password>",
    "client_id=x&client_secret=MIIEvQIBADAN",
    '<request API_version="1.0" client="Keyturn" namespace="ns" key="MIIEvQIBADAN">',
    "<request namespace='ns' key='MIIEvQIBADAN'>",
]


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_hidden(lines: Lines, form: str, secret: str) -> None:
    """In the message, in a value, in a nested value and in a traceback."""
    log.set_up("info", form)
    try:
        int(secret)  # the error quotes it
    except ValueError:
        logging.getLogger("somebody").exception("it says %s", secret, extra={"a": secret, "b": {"c": [secret]}})
    assert "MIIEvQIBADAN" not in "\n".join(lines())


@pytest.mark.parametrize("name", ["password", "refresh_token", "private_key", "kek", "client_secret", "pem"])
def test_values_with_a_telling_name_are_hidden(lines: Lines, name: str) -> None:
    """Whatever they hold."""
    log.set_up("info", "json")
    logging.getLogger("keyturn").info("moved", extra={name: "swordfish", "raw": b"swordfish"})
    (line,) = lines()
    assert ("[hidden]", "[hidden]") == (json.loads(line)[name], json.loads(line)["raw"])


def test_json_has_what_the_record_was_given(lines: Lines) -> None:
    """Level, logger, message and every extra value, times as ISO 8601; nothing else of the record."""
    log.set_up("info", "json")
    until = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)
    logging.getLogger("keyturn.engine").warning("put off", extra={"rotation": "01M8", "tries": 2, "until": until})
    (line,) = lines()
    told = json.loads(line)
    assert datetime.fromisoformat(told.pop("time")).tzinfo == UTC
    assert {
        "level": "WARNING",
        "logger": "keyturn.engine",
        "message": "put off",
        "rotation": "01M8",
        "tries": 2,
        "until": "2026-11-23T20:15:00.000+00:00",
    } == told


def test_text_is_for_people(lines: Lines) -> None:
    """Time, level, message, then name=value; a traceback stands below."""
    log.set_up("info", "text")
    logging.getLogger("keyturn.engine").info("moved", extra={"rotation": "01M8"})
    (line,) = lines()
    assert line.endswith("INFO    moved rotation=01M8")


def test_less_grave_records_are_left_out(lines: Lines) -> None:
    """And the debug lines of libraries, which carry URLs and parameters, at every level."""
    log.set_up("debug", "json")
    logging.getLogger("urllib3").debug("GET /?access_token=x")
    logging.getLogger("keyturn").debug("seen")
    log.set_up("error", "json")
    logging.getLogger("keyturn").warning("not seen")
    assert ["seen"] == [json.loads(line)["message"] for line in lines()]


def test_the_state_machines_library_keeps_quiet(lines: Lines) -> None:
    """It tells every move in two lines of its own; the engine's line says it all."""
    log.set_up("debug", "json")
    machine.fail(a_rotation(), TryLater(), datetime(2026, 11, 24, tzinfo=UTC))
    assert [] == lines()
