"""`keyturn token`: the tokens with which programs sign in to the API."""

from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli.arguments import WHOLE
from orchestrator.cli.context import Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import View
from orchestrator.operations.tokens import DAYS, Listed
from orchestrator.views import formatting
from orchestrator.views.token import token_json
from states.access import Role

app = App(name="token", help="Add, list and revoke tokens for the API.")
_Name = Annotated[str, Parameter(help="The token's name.")]


@app.command
def add(
    name: _Name,
    /,
    *,
    role: Annotated[Role, Parameter(help="A viewer reads, an operator acts on rotations, an administrator does all.")],
    expires: Annotated[int, WHOLE, Parameter(help="After how many days it expires; at most 366.")] = DAYS,
    context: Given,
) -> int:
    """Make a token for the API, and show it once. Keyturn stores only its hash.

    ```
    keyturn token add monitoring --role viewer
    keyturn token add nightly --role operator --expires 30
    ```
    """
    with context.keyturn() as keyturn:
        made = keyturn.tokens.add(name, role, days=expires, actor=actor())
    token = made.token
    record = {**token_json(Listed(token, is_valid=True, is_authentic=True)), "token": made.secret}
    rows = [("token", made.secret), ("role", token.role.value), ("expires", formatting.moment(token.expires_at))]
    context.out.show(record, made.secret, rows)
    context.out.note("This is the only time that the token is shown.")
    return Exit.FINE


@app.command(name="list")
def list_(*, context: Given) -> int:
    """List the tokens: their roles, when they expire, when they were last used.

    ```
    keyturn token list
    keyturn token list -o json
    ```
    """
    view = View[Listed](
        name=lambda each: each.token.name,
        record=token_json,
        columns={
            "NAME": lambda each: each.token.name,
            "ROLE": lambda each: each.token.role.value,
            "EXPIRES": lambda each: formatting.moment(each.token.expires_at),
            "LAST USED": lambda each: formatting.moment(each.token.used_at),
            "STATUS": _status,
        },
        flexible=("NAME",),
        wide={
            "CREATED": lambda each: formatting.moment(each.token.created_at),
            "BY": lambda each: each.token.created_by,
        },
    )
    with context.keyturn() as keyturn:
        context.out.list(keyturn.tokens.all(), view, empty="There is no token. Make one with `keyturn token add NAME`.")
    return Exit.FINE


@app.command
def revoke(name: _Name, /, *, context: Given) -> int:
    """Revoke a token: it is refused from now on, also by a console that runs.

    ```
    keyturn token revoke nightly
    ```
    """
    with context.keyturn() as keyturn:
        context.confirm(f"Programs that use the token {name} are refused then. Revoke it?")
        keyturn.tokens.revoke(name, actor=actor())
    context.out.show({"revoked": name}, name, [("revoked", name)])
    return Exit.FINE


def _status(each: Listed) -> str:
    if not each.is_authentic:
        return "changed outside Keyturn"
    return "valid" if each.is_valid else "expired"
