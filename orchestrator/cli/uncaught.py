"""Errors that no code handles, and warnings of libraries: logged, and not printed as Python would.

The text of an exception or a warning may hold a secret, or control a terminal. The log hides and escapes both.
"""

import logging
import sys
import threading


def log_them() -> None:
    """Have the log receive what threads, destructors and `warnings` would print. Call it once, at the start."""
    threading.excepthook = _thread_failed
    sys.unraisablehook = _clean_up_failed
    logging.captureWarnings(capture=True)
    logging.lastResort = logging.NullHandler()  # receives what is logged before the log is set up


def _thread_failed(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value:
        thread = ended.thread.name if ended.thread else ""
        logging.getLogger("keyturn.cli").error("thread failed", exc_info=ended.exc_value, extra={"of": thread})


def _clean_up_failed(failed: "sys.UnraisableHookArgs") -> None:
    # The object that failed is left out: its repr may hold anything.
    logging.getLogger("keyturn.cli").error("clean-up failed", exc_info=failed.exc_value)
