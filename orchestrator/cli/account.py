"""`keyturn account`: the people who sign in to the console with a password."""

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import View
from orchestrator.operations.accounts import Listed
from orchestrator.views import formatting
from orchestrator.views.account import account_json
from states.access import Role
from states.errors import InvalidInput, InvalidSettings
from states.next_action import REPEAT, NextAction, Verb, by_hand

if TYPE_CHECKING:
    from orchestrator.bootstrap import Keyturn
    from orchestrator.operations.accounts import Accounts

app = App(name="account", help="Add, list and remove the people who sign in to the console, and set passwords.")
_Name = Annotated[str, Parameter(help="The account's name, which the journal shows.")]


@app.command
def add(
    name: _Name,
    /,
    *,
    role: Annotated[Role, Parameter(help="A viewer reads, an operator acts on rotations, an administrator does all.")],
    context: Given,
) -> int:
    """Add a person who signs in to the console with a password of 12 characters or more.

    Keyturn asks for the password twice, or reads one line from standard input. It stores only the password's hash.

    ```
    keyturn account add ada --role administrator
    ```
    """
    with context.keyturn() as keyturn:
        accounts = _accounts(keyturn)
        account = accounts.add(name, role, _password(context), actor=actor())
        record = account_json(account, is_authentic=True)
    context.out.show(record, name, [("account", name), ("role", role.value)])
    return Exit.FINE


@app.command(name="list")
def list_(*, context: Given) -> int:
    """List the accounts: their roles, and when each password was set.

    ```
    keyturn account list
    ```
    """
    view = View[Listed](
        name=lambda each: each.account.name,
        record=lambda each: account_json(each.account, is_authentic=each.is_authentic),
        columns={
            "NAME": lambda each: each.account.name,
            "ROLE": lambda each: each.account.role.value,
            "PASSWORD SET": lambda each: formatting.moment(each.account.password_at),
            "STATUS": lambda each: "valid" if each.is_authentic else "changed outside Keyturn",
        },
        flexible=("NAME",),
        wide={
            "CREATED": lambda each: formatting.moment(each.account.created_at),
            "BY": lambda each: each.account.created_by,
        },
    )
    with context.keyturn() as keyturn:
        empty = "There is no account. Add one with `keyturn account add NAME --role administrator`."
        context.out.list(_accounts(keyturn).all(), view, empty=empty)
    return Exit.FINE


@app.command
def password(name: _Name, /, *, context: Given) -> int:
    """Give an account another password. Its person is signed out everywhere.

    Keyturn asks for the password twice, or reads one line from standard input.

    ```
    keyturn account password ada
    ```
    """
    with context.keyturn() as keyturn:
        _accounts(keyturn).set_password(name, _password(context), actor=actor())
    context.out.show({"changed": name}, name, [("changed", name)])
    return Exit.FINE


@app.command
def remove(name: _Name, /, *, context: Given) -> int:
    """Remove an account: its person is signed out, and cannot sign in any more.

    ```
    keyturn account remove ada
    ```
    """
    with context.keyturn() as keyturn:
        context.confirm(f"{name} is signed out then, and cannot sign in any more. Remove the account?")
        # Who runs commands here can add another administrator.
        _accounts(keyturn).remove(name, actor=actor(), keeps_administrator=False)
    context.out.show({"removed": name}, name, [("removed", name)])
    return Exit.FINE


def _accounts(keyturn: "Keyturn") -> "Accounts":
    """The verbs. Raises InvalidSettings where what hashes passwords is not installed."""
    try:
        return keyturn.accounts
    except ImportError as error:
        raise InvalidSettings(
            f"The console is not installed: {error.name} is missing.",
            next_action=NextAction(Verb.INSTALL_EXTRA, {"extra": "console"}, then=REPEAT),
        ) from error


def _password(context: Context) -> str:
    """Ask for a password twice, or read one line. Raises InvalidInput."""
    if not context.asks:
        given = sys.stdin.readline()
        if not given.strip():
            raise InvalidInput(
                "No password was given on standard input.", next_action=by_hand("Give it there as one line.")
            )
        return given.removesuffix("\n").removesuffix("\r")
    try:
        given, again = getpass.getpass("Password: "), getpass.getpass("Once more: ")
    except EOFError as error:
        raise InvalidInput("No password was typed.") from error
    if again != given:
        raise InvalidInput("The two passwords differ.", next_action=by_hand("Type the same password twice."))
    return given
