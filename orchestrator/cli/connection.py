"""`keyturn connection …`: pairs of a NetSuite account and an OpenAir company."""

from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.cli import formatting
from orchestrator.cli.arguments import ConnectionName
from orchestrator.cli.connection_options import ConnectionOptions, require
from orchestrator.cli.context import Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Rows, View
from orchestrator.secrets import SecretName
from orchestrator.views.connection import connection_json
from states.connection import Connection, OpenAirKind
from states.summary import ConnectionSummary

app = App(name="connection", help="Add, change and show connections.")

_Options = Annotated[ConnectionOptions, Parameter(name="*")]
_NONE = ConnectionOptions()


@app.command
def add(name: ConnectionName, /, *, options: _Options = _NONE, context: Given) -> int:
    """Add a connection: a NetSuite account paired with an OpenAir company.

    NetSuite needs --account, --client-id, --certificate-id and --netsuite-key-file. OpenAir needs --openair-url,
    --openair-api-key-file and the options of OAuth or of a user; or --openair-export, if a person saves the
    certificate there.

    Keyturn reads secrets from files, or one of them from standard input (-), never from arguments, and seals them
    before it stores them.
    """
    fields = options.given()
    require(fields)
    connection = fields.new(name)
    with context.keyturn() as keyturn:
        added = keyturn.connections.add(connection, fields.secrets, actor=actor())
        known = keyturn.connections.secrets_of(name)
    context.out.show(connection_json(added, known), name, [("added", name)])
    context.out.note(f"Next: `keyturn doctor {name}`, then `keyturn rotate {name}`.")
    return Exit.FINE


@app.command
def edit(name: ConnectionName, /, *, options: _Options = _NONE, context: Given) -> int:
    """Change the given settings of a connection.

    While NetSuite may hold the certificate of an open rotation, the account and the OpenAir company cannot change. The
    base URL of a parked rotation's connection can be corrected.
    """
    fields = options.given()
    with context.keyturn() as keyturn:
        changed = fields.changed(keyturn.connections.show(name))
        stored = keyturn.connections.edit(changed, fields.secrets, actor=actor())
        known = keyturn.connections.secrets_of(name)
    context.out.show(connection_json(stored, known), name, [("changed", name)])
    context.out.note(f"Next: `keyturn doctor {name}`.")
    return Exit.FINE


@app.command(name="list")
def list_(*, context: Given) -> int:
    """List the connections, by name."""
    with context.keyturn() as keyturn:
        found = list(keyturn.connections.all())
    view = View[ConnectionSummary](
        name=lambda connection: connection.name,
        record=connection_json,
        columns={
            "CONNECTION": lambda connection: connection.name,
            "ACCOUNT": lambda connection: connection.netsuite.account,
            "VALID UNTIL": lambda connection: formatting.day(
                connection.current.not_after if connection.current else None
            ),
            "NEXT": _next,
            "OPENAIR": lambda connection: connection.openair.url or connection.openair.kind.value,
        },
        flexible=("CONNECTION", "OPENAIR"),
    )
    context.out.list(found, view, empty="There are no connections. Add one: `keyturn connection add NAME …`.")
    return Exit.FINE


def _next(connection: ConnectionSummary) -> str:
    return formatting.day(connection.due_at) if connection.is_automatic else "by hand"


@app.command
def show(name: ConnectionName, /, *, context: Given) -> int:
    """Show one connection, and which secrets are set."""
    with context.keyturn() as keyturn:
        shown, known = keyturn.connections.show(name), keyturn.connections.secrets_of(name)
    context.out.show(connection_json(shown, known), name, _rows(shown, known))
    return Exit.FINE


def _rows(shown: Connection, known: list[SecretName]) -> Rows:
    netsuite, policy, current = shown.netsuite, shown.policy, shown.current
    held = (
        f"{current.fingerprint}\nvalid until {formatting.moment(current.not_after)}" if current else formatting.NOTHING
    )
    missing = ", ".join(_label(secret) for secret in SecretName if secret not in known)
    return [
        ("connection", shown.name),
        ("NetSuite", f"account {netsuite.account}, signs in with {netsuite.assertion_algorithm}"),
        ("", f"RESTlet at {netsuite.restlet_url}\ntokens from {netsuite.token_url}"),
        ("OpenAir", _openair(shown)),
        ("options", _options(shown)),
        (
            "bundles",
            ", ".join(f"{number} {version}" for number, version in shown.bundles.items()) or formatting.NOTHING,
        ),
        (
            "policy",
            f"{policy.algorithm}, {policy.days} days, key {'kept' if policy.keep_key else 'destroyed'} after use",
        ),
        ("secrets", f"set: {', '.join(map(_label, known)) or 'none'}" + (f"\nnot set: {missing}" if missing else "")),
        ("fingerprint", held),
        ("next rotation", formatting.moment(shown.due_at) if shown.is_automatic else "by hand only"),
    ]


def _openair(shown: Connection) -> str:
    openair = shown.openair
    if openair.kind is OpenAirKind.EXPORT:
        return "a person saves the exported certificate"
    who = f"OAuth client {openair.client_id}" if openair.client_id else f"{openair.user} of {openair.company}"
    return f"{openair.url} as {who}\npreference {openair.preference}, namespace {openair.namespace}"


def _options(shown: Connection) -> str:
    boxes = {
        "single sign-on": shown.options.single_sign_on,
        "real-time integration": shown.options.real_time_integration,
        "OAuth 2.0": shown.options.oauth2,
    }
    return ", ".join(f"{box} {'on' if ticked else 'off'}" for box, ticked in boxes.items())


def _label(secret: SecretName) -> str:
    return secret.name.lower().replace("_", " ")
