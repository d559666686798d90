"""The log: one line per record on standard error, without secrets."""

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
def _restore_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return lambda: capsys.readouterr().err.splitlines()  # noqa: PLW0108 - reads the new lines at each call


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
    "rejected MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7 as it is",
    "rejected MIIEvQIBADANBgkqhkiG9w0BA\nQEFAASCBKcwggSjAgEAAoIBAQC7",
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCB%2FKcwggSjAgEAAoIBAQC7%0A",
]


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("secret", SECRETS)
def test_texts_that_look_like_secrets_are_hidden(lines: Lines, form: str, secret: str) -> None:
    """A text that looks like a secret is hidden in messages, values, nested values and tracebacks."""
    log.set_up("info", form)
    try:
        int(secret)  # the exception quotes its argument
    except ValueError:
        logging.getLogger("keyturn.engine").exception("it says %s", secret, extra={"a": secret, "b": {"c": [secret]}})
    assert "MIIEvQIBADAN" not in "\n".join(lines())


@pytest.mark.parametrize("name", ["password", "refresh_token", "private_key", "kek", "client_secret", "pem"])
def test_values_with_the_name_of_a_secret_are_hidden(lines: Lines, name: str) -> None:
    """A value is hidden if its name is that of a secret, or if it is bytes."""
    log.set_up("info", "json")
    logging.getLogger("keyturn").info("moved", extra={name: "swordfish", "raw": b"swordfish"})
    (line,) = lines()
    assert ("[hidden]", "[hidden]") == (json.loads(line)[name], json.loads(line)["raw"])


def test_json_has_the_fields_of_the_record(lines: Lines) -> None:
    """A JSON line has time, level, logger, message and every extra value, with times in ISO 8601."""
    log.set_up("info", "json")
    until = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)
    logging.getLogger("keyturn.engine").warning("postponed", extra={"rotation": "01M8", "tries": 2, "until": until})
    (line,) = lines()
    record = json.loads(line)
    assert datetime.fromisoformat(record.pop("time")).tzinfo == UTC
    assert {
        "level": "WARNING",
        "logger": "keyturn.engine",
        "message": "postponed",
        "rotation": "01M8",
        "tries": 2,
        "until": "2026-11-23T20:15:00.000+00:00",
    } == record


def test_text_is_for_people(lines: Lines) -> None:
    """A text line has time, level, message, and the extra values as name=value."""
    log.set_up("info", "text")
    logging.getLogger("keyturn.engine").info("moved", extra={"rotation": "01M8"})
    (line,) = lines()
    assert line.endswith("INFO    moved rotation=01M8")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
@pytest.mark.parametrize(
    "name", ["urllib3.connection", "sqlalchemy.pool.impl.QueuePool", "py.warnings", "keyturnish", "", "root"]
)
def test_records_of_libraries_are_dropped(lines: Lines, name: str, level: str) -> None:
    """What a library logs is dropped at any level, even where its own level was changed."""
    log.set_up("debug", "json")
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel("DEBUG")
    getattr(logger, level)("Failed to parse headers: unparsed data")
    logger.setLevel(before)
    assert [] == lines()


@pytest.mark.parametrize("path", ["/home/Service1/venvs/Keyturn2/lib/python3.11/site-packages/urllib3", "A1" * 32])
def test_names_are_not_hidden(lines: Lines, path: str) -> None:
    """A long path or a fingerprint is no piece of a key."""
    log.set_up("info", "json")
    logging.getLogger("keyturn").info("see %s", path)
    assert [f"see {path}"] == [json.loads(line)["message"] for line in lines()]


def test_records_below_the_level_are_left_out(lines: Lines) -> None:
    """Records below the level are left out."""
    log.set_up("debug", "json")
    logging.getLogger("keyturn").debug("shown")
    log.set_up("error", "json")
    logging.getLogger("keyturn").warning("not shown")
    assert ["shown"] == [json.loads(line)["message"] for line in lines()]


def test_the_state_machine_library_logs_nothing(lines: Lines) -> None:
    """The state machine library logs no lines about a move, because the engine logs it."""
    log.set_up("debug", "json")
    machine.fail(a_rotation(), TryLater(), datetime(2026, 11, 24, tzinfo=UTC))
    assert [] == lines()
