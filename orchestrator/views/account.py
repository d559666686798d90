"""An account as JSON, without its password's hash."""

from orchestrator.views.values import Json, iso
from states.access import Account


def account_json(account: Account, *, is_authentic: bool) -> Json:
    """``name``, ``role``, ``created_at``, ``created_by``, ``password_at`` (when the password was set), ``authentic``
    (false where it was changed outside Keyturn: it signs no one in).
    """
    return {
        "name": account.name,
        "role": account.role.value,
        "created_at": iso(account.created_at),
        "created_by": account.created_by,
        "password_at": iso(account.password_at),
        "authentic": is_authentic,
    }
