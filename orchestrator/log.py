"""Logs: structlog through the standard logging, so that libraries' records come out the same way; redacted last.

Redaction is the second line of defence. The first is that secrets are never handed to a logger: keys hide their repr,
adapters log no URL and no body.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_HIDDEN: Final = "[hidden]"
_PATTERNS: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    re.compile(
        r"(?i)\b(password|passwd|secret|client_assertion|access_token|refresh_token|api_?key|code)"
        r"""(["']?\s*[=:>]\s*["']?)[^\s"'&<,}]+"""
    ),
    re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"),
)
_NAMES: Final = re.compile(r"(?i)(password|secret|token|assertion|private|pem|api_?key|kek)")

_STANDARD: Final = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def set_up(level: str, form: str) -> None:
    """Send every record of this process to standard error. ``form``: auto, json or text."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=text and sys.stderr.isatty())
        if text
        else structlog.processors.JSONRenderer()
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_STANDARD,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # Their debug lines carry URLs and SQL parameters.
    for chatty in ("urllib3", "sqlalchemy", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what looks like a secret in ``event``'s values, whatever put it there."""
    return {key: _HIDDEN if _NAMES.search(key) else _clean(value) for key, value in event.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        for pattern in _PATTERNS:
            value = pattern.sub(_HIDDEN, value)
        return value
    if isinstance(value, bytes):
        return _HIDDEN
    if isinstance(value, dict):
        return redact(None, "", value)
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    if isinstance(value, int | float | bool | None):
        return value
    return _clean(str(value))
