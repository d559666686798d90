"""Who may do what: one table of every route and the role that it needs. The router and the tests share it."""

from collections.abc import Mapping
from typing import Final

from orchestrator.operations.verbs import VERBS
from states.access import Role

PREFIX: Final = "/api/v1"
_READS: Final = (
    *("/openapi.json", "/status", "/connections", "/connections/{name}", "/connections/{name}/health"),
    "/connections/{name}/credentials",
    *("/rotations", "/rotations/{rotation}", "/rotations/{rotation}/journal", "/rotations/{rotation}/diagram"),
    "/rotations/{rotation}/evidence",
    *("/journal", "/diagram", "/events", "/metrics"),
)

Route = tuple[str, str]
"""A method and a path."""
ROUTES: Final[Mapping[Route, Role | None]] = {
    ("GET", f"{PREFIX}/health"): None,
    ("GET", f"{PREFIX}/ready"): None,
    **{("GET", PREFIX + path): Role.VIEWER for path in _READS},
    ("POST", f"{PREFIX}/connections"): Role.ADMINISTRATOR,
    ("PATCH", f"{PREFIX}/connections/{{name}}"): Role.ADMINISTRATOR,
    ("DELETE", f"{PREFIX}/connections/{{name}}"): Role.ADMINISTRATOR,
    ("POST", f"{PREFIX}/connections/{{name}}/rotations"): Role.OPERATOR,
    **{("POST", f"{PREFIX}/rotations/{{rotation}}/{verb.value}"): Role.OPERATOR for verb in VERBS},
    ("POST", f"{PREFIX}/trigger"): Role.OPERATOR,
    ("GET", f"{PREFIX}/tokens"): Role.ADMINISTRATOR,
    ("DELETE", f"{PREFIX}/tokens/{{token}}"): Role.ADMINISTRATOR,
}
"""The role that each route needs; None for those that need no token."""
OPEN: Final = frozenset(path for (_, path), role in ROUTES.items() if role is None)
