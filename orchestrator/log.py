"""Logs through the standard logging, as JSON or as text, to standard error; redacted at the end.

Keyturn passes no secret to a logger: keys hide their repr, and adapters log no URL and no body. Records of libraries
are dropped, because they log what they received. Redaction is the second line of defence.
"""

import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from pythonjsonlogger.core import LogData
from pythonjsonlogger.json import JsonFormatter

from orchestrator import terminal

ALLOWED: Final[Mapping[str, str]] = {
    "keyturn": "Keyturn's own records, which hold no secret",
    "simulator": "bugs of the simulated systems, whose secrets are made up",
}
"""The loggers whose records are written, with all below them, and why. Those of every other logger are dropped: urllib3
logs a header line that it cannot read as it is, and a gateway may repeat a piece of the request in one; SQLAlchemy logs
parameters and a driver's errors."""

_HIDDEN: Final = "[hidden]"
_WORD: Final = re.compile(r"[A-Za-z0-9+/=_%-]{24,}")
_KINDS: Final = re.compile(r"(?P<lower>[a-z]+)|(?P<upper>[A-Z]+)|(?P<digit>[0-9]+)")
_MIXED: Final = 0.38
"""Runs of small letters, of capitals and of digits, per character, from which on a word is no name: random Base64 has
about 0.6, a path or a camel-case name less than 0.35."""
_PATTERNS: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    re.compile(
        r"(?i)\b(\w*password|passwd|\w*secret|client_assertion|\w*_token|api_?key|code)"
        r"""(["']?\s*[=:>]\s*["']?)[^\s"'&<,}]+"""
    ),
    re.compile(r"""(?i)\bkey=\\?["'][^"'\\]+"""),  # OpenAir's API key, as each of its requests contains it
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
    re.compile(r"M(?:I[A-Z]|HcCAQ)[A-Za-z0-9+/=_%-]{12,}"),  # DER in Base64, as a key without its PEM markers begins
)
_SECRET: Final = re.compile(r"(?i)(password|secret|token|assertion|private|pem|api_?key|kek)")

OUTAGE: Final = "imports"
"""The field of a record in an outage that has its sentence."""
_OUTAGE_STYLE: Final = "bold red"

_NAMED: Final = {"levelname": "level", "name": "logger"}


def set_up(level: str, form: str) -> None:
    """Send every record of this process to standard error. ``form``: auto, json or text."""
    as_text = form == "text" or (form == "auto" and terminal.is_terminal(error=True))
    handler = _Handler()
    handler.setFormatter(_Text() if as_text else _Json())
    handler.addFilter(is_allowed)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def is_allowed(record: logging.LogRecord) -> bool:
    """Whether ``record`` is written: its logger, or one above it, is in ALLOWED."""
    return record.name.partition(".")[0] in ALLOWED


class _Handler(logging.Handler):
    """Writes each record as a line to standard error; of an outage in red where that is a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            style = _OUTAGE_STYLE if getattr(record, OUTAGE, None) else ""
            terminal.write(self.format(record), style=style, error=True)
        except Exception:  # noqa: BLE001 - a record that cannot be written must not stop a rotation
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Say that a record was lost. logging's own method would print it as it is, before anything is hidden."""
        with suppress(Exception):
            terminal.write(f"A record of {record.name} could not be written.", error=True)


class _Json(JsonFormatter):
    """One JSON object a line: time, level, logger, message, and the record's own fields."""

    def __init__(self) -> None:
        super().__init__(["levelname", "name", "message"], timestamp="time", rename_fields=_NAMED)

    def process_log_record(self, log_data: LogData) -> LogData:
        return redact(log_data)


class _Text(_Json):
    """The same for people: time, level, message, then the rest as name=value; a traceback below.

    In an outage its sentence comes before the message, and the line is red on a terminal.
    """

    def serialize_log_record(self, log_data: LogData) -> str:
        rest = dict(log_data)
        trace = rest.pop("exc_info", "")
        first = f"{rest.pop(OUTAGE)}: " if rest.get(OUTAGE) else ""
        time, level, message = (rest.pop(name, "") for name in ("time", "level", "message"))
        rest.pop("logger", None)
        fields = "".join(f" {name}={value}" for name, value in rest.items())
        line = f"{first}{message}{fields}".replace("\n", "\\n")  # a line feed in a value must not begin a line
        return f"{time} {level:<7} {line}" + (f"\n{trace}" if trace else "")


def redact(event: Mapping[str, Any]) -> dict[str, Any]:
    """``event`` with every value hidden that looks like a secret."""
    return {key: _HIDDEN if _SECRET.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, int | float | None):
        return value
    if isinstance(value, dict):
        return redact(value)
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return _HIDDEN if isinstance(value, bytes) else _clean_text(_text(value))


def _text(value: Any) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)


def _clean_text(text: str) -> str:
    for pattern in _PATTERNS:
        text = pattern.sub(_HIDDEN, text)
    return _WORD.sub(lambda found: _HIDDEN if _is_random(found[0]) else found[0], text)


def _is_random(word: str) -> bool:
    """Whether ``word`` looks like a piece of a key or a token in Base64: all kinds of characters, changing often."""
    kinds = [found.lastgroup for found in _KINDS.finditer(word)]
    return {"lower", "upper", "digit"} <= set(kinds) and len(kinds) > _MIXED * len(word)
