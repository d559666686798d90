"""A token as JSON, without its secret."""

from orchestrator.operations.tokens import Listed
from orchestrator.views.values import Json, iso


def token_json(shown: Listed) -> Json:
    """``name``, ``role``, ``created_at``, ``created_by``, ``expires_at``, ``used_at`` (to within a minute; null before
    its first use), ``valid`` (whether it is accepted now), ``authentic`` (false where it was changed outside Keyturn).
    """
    token = shown.token
    return {
        "name": token.name,
        "role": token.role.value,
        "created_at": iso(token.created_at),
        "created_by": token.created_by,
        "expires_at": iso(token.expires_at),
        "used_at": iso(token.used_at),
        "valid": shown.is_valid,
        "authentic": shown.is_authentic,
    }
