"""Logs through the standard logging, as JSON or as text, to standard error; redacted at the end.

Redaction is the second line of defence. The first is that no secret is passed to a logger: keys hide their repr, and
adapters log no URL and no body.
"""

import logging
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pythonjsonlogger.core import LogData
from pythonjsonlogger.json import JsonFormatter

from orchestrator.control_characters import visible

_HIDDEN: Final = "[hidden]"
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
)
_SECRET: Final = re.compile(r"(?i)(password|secret|token|assertion|private|pem|api_?key|kek)")

OUTAGE: Final = "imports"
"""The field of a record in an outage that has its sentence."""
_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"

_NAMED: Final = {"levelname": "level", "name": "logger"}


def set_up(level: str, form: str) -> None:
    """Send every record of this process to standard error. ``form``: auto, json or text."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Text() if as_text else _Json())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # Their debug lines carry URLs and SQL parameters; `transitions` logs each move twice.
    for chatty in ("urllib3", "sqlalchemy", "alembic", "transitions"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


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
        line = visible(f"{time} {level:<7} {line}")
        if first and sys.stderr.isatty():
            line = f"{_RED}{line}{_PLAIN}"
        return line + (visible(f"\n{trace}") if trace else "")


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
    return text
