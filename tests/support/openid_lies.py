"""What makes an OpenID provider lie, one part of what it says at a time."""

import time
from collections.abc import Callable
from typing import Any

from support.openid import SECRET, Delivery, Json, Provider, as_json


def claims(**changed: Any) -> Callable[[Provider], None]:
    """A lie in the ID token; a claim that is None is left out."""

    def lie(provider: Provider) -> None:
        provider.claim = lambda honest: {name: value for name, value in (honest | changed).items() if value is not None}

    return lie


def moments(**offsets: int) -> Callable[[Provider], None]:
    """A lie in the ID token's moments: so many seconds from now."""

    def lie(provider: Provider) -> None:
        now = int(time.time())
        claims(**{name: now + offset for name, offset in offsets.items()})(provider)

    return lie


def part(name: str, change: Callable[[Any], Any]) -> Callable[[Provider], None]:
    """A lie in one of the provider's answers."""

    def lie(provider: Provider) -> None:
        setattr(provider, name, change)

    return lie


def published(**changed: Any) -> Callable[[Provider], None]:
    """A lie in the configuration."""
    return part("publish", lambda honest: honest | changed)


def without(name: str, field: str) -> Callable[[Provider], None]:
    """An answer that lacks a field."""
    return part(name, lambda honest: {each: value for each, value in honest.items() if each != field})


def repeating(provider: Provider) -> None:
    """An error of the token endpoint that repeats what it was sent, and what it would have issued."""

    def refused(honest: Json) -> Delivery:
        return as_json({"error": "invalid_grant", "error_description": f"{SECRET} {honest['access_token']}"}, 400)

    provider.tokens = refused
