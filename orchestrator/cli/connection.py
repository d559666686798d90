"""`keyturn connection …`: pairs of a NetSuite account and an OpenAir company."""

from datetime import datetime
from typing import Annotated

from cyclopts import App, Parameter

from orchestrator.bootstrap import Keyturn
from orchestrator.cli import outages
from orchestrator.cli.arguments import ConnectionName, NewName, flag
from orchestrator.cli.connection_options import ConnectionOptions, require
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.output import Rows, View
from orchestrator.operations import connection_fields
from orchestrator.operations.connection_fields import ConnectionFields
from orchestrator.secrets import SecretName
from orchestrator.views import formatting, next_actions, timeline
from orchestrator.views.connection import PREFERENCE_UNPROVED, connection_json
from states.connection import Connection, NetSuiteSettings, OpenAirKind
from states.errors import Tampered
from states.outage import Outage, outage_on
from states.rotation import Rotation
from states.summary import ConnectionSummary, RotationSummary

app = App(name="connection", help="Add, change, show and remove connections.")

for _verb in ("remove", "rename"):
    app.command(f"orchestrator.cli.connection_names:{_verb}", name=_verb)

app.command("orchestrator.cli.authorize:authorize", name="authorize")

_Options = Annotated[ConnectionOptions, Parameter(name="*")]
_NONE = ConnectionOptions()


@app.command
def add(
    name: NewName,
    /,
    *,
    options: _Options = _NONE,
    or_edit: Annotated[bool, flag("Change the connection if it exists.")] = False,
    context: Given,
) -> int:
    """Add a connection: a NetSuite account paired with an OpenAir company.

    NetSuite needs --account, --client-id, --certificate-id and --netsuite-key-file. OpenAir needs --openair-url,
    --openair-api-key-file and the options of OAuth or of a user; or --openair-export, if a person saves the
    certificate there.

    With OAuth, get the refresh token afterwards with `keyturn connection authorize`, unless you have one.

    Keyturn reads secrets from files, or one of them from standard input (-), never from arguments, and seals them
    before it stores them.

    ```
    keyturn connection add acme --account 123 --client-id ID --certificate-id KID --netsuite-key-file K --openair-export
    ```
    """
    fields = options.given()
    require(fields)
    connection = fields.new(name)
    with context.keyturn() as keyturn:
        if or_edit and any(each.name == name for each in keyturn.connections.all()):
            return _change(context, keyturn, name, fields)
        added = keyturn.connections.add(connection, fields.secrets, actor=actor())
        known = keyturn.connections.secrets_of(name)
        record = connection_json(added, known, rotation=None, now=keyturn.rotations.now())
    context.out.show(record, name, [("added", name)])
    _note_attendance(context, added)
    _note_preference(context, added)
    needs_consent = added.openair.by_oauth and SecretName.OPENAIR_REFRESH_TOKEN not in known
    consent = f"`keyturn connection authorize {name}`, then " if needs_consent else ""
    context.out.note(f"Next: {consent}`keyturn doctor {name}`, then `keyturn rotate {name}`.")
    return Exit.FINE


@app.command
def edit(name: ConnectionName, /, *, options: _Options = _NONE, context: Given) -> int:
    """Change the given settings of a connection.

    While NetSuite may hold the certificate of an open rotation, the account and the OpenAir company cannot change. The
    base URL of a parked rotation's connection can be corrected.

    ```
    keyturn connection edit acme --days 180
    keyturn connection edit acme --openair-refresh-token-file - < refresh-token
    ```
    """
    fields = options.given()
    with context.keyturn() as keyturn:
        return _change(context, keyturn, name, fields)


def _change(context: Context, keyturn: Keyturn, name: str, fields: ConnectionFields) -> int:
    if not keyturn.connections.is_authentic(name):
        require(fields, changed=name)
    stored = connection_fields.change(keyturn.connections, name, fields, actor=actor())
    known = keyturn.connections.secrets_of(name)
    rotation = keyturn.rotations.open_for(name)
    record = connection_json(stored, known, rotation=rotation, now=keyturn.rotations.now())
    context.out.show(record, name, [("changed", name)])
    _note_attendance(context, stored)
    resume = f", then `keyturn rotation resume {rotation.id}`" if rotation and rotation.failure else ""
    context.out.note(f"Next: `keyturn doctor {name}`{resume}.")
    return Exit.FINE


def _note_attendance(context: Context, connection: Connection) -> None:
    """Say what it means that a person saves the certificate in OpenAir."""
    if connection.openair.kind is not OpenAirKind.EXPORT:
        return
    starts = (
        "The schedule starts rotations, which then wait"
        if connection.policy.starts_by_hand
        else "No schedule starts rotations of this connection. Those that you start wait"
    )
    context.out.note(
        f"{starts} until a person is ready (`keyturn rotation begin`). "
        "Imports are refused from the upload to NetSuite until that person has saved the certificate in OpenAir."
    )


def _note_preference(context: Context, connection: Connection) -> None:
    """Say what it means that Keyturn saves the certificate by the XML API, and name the other way."""
    if connection.openair.kind is OpenAirKind.XML:
        context.out.note(
            f"{PREFERENCE_UNPROVED} If it does not, imports are refused from the first rotation on, although Keyturn "
            "reports success: make sure after it that an import succeeds. The other way is by hand: "
            f"`keyturn connection edit {connection.name} --openair-export`."
        )


@app.command(name="list")
def list_(*, context: Given) -> int:
    """List the connections, by name, with the state of their open rotations.

    ```
    keyturn connection list
    keyturn connection list -o name
    ```
    """
    with context.keyturn() as keyturn:
        open_ones, _ = keyturn.status.open_rotations()
        rotations = {rotation.connection: rotation for rotation in open_ones}
        now = keyturn.rotations.now()
        changed = keyturn.status.tampered()
        if changed is None:
            context.out.note(outages.NOT_CHECKED)

        def outage(connection: ConnectionSummary) -> Outage | None:
            return outage_on(connection, rotations.get(connection.name), now)

        view = View[ConnectionSummary](
            name=lambda connection: connection.name,
            record=lambda connection: connection_json(
                connection, rotation=rotations.get(connection.name), now=now, changed=changed
            ),
            columns={
                "CONNECTION": lambda connection: connection.name,
                "ACCOUNT": lambda connection: connection.netsuite.account,
                "VALID UNTIL": lambda connection: formatting.day(
                    connection.current.not_after if connection.current else None
                ),
                "STATE": lambda connection: _state(rotations.get(connection.name)),
                "NEXT": lambda connection: (
                    "imports refused"
                    if outage(connection)
                    else Tampered.code
                    if connection.name in (changed or {})
                    else _next(connection, rotations.get(connection.name), now)
                ),
                "OPENAIR": lambda connection: connection.openair.url or connection.openair.kind.value,
            },
            flexible=("CONNECTION", "OPENAIR"),
            wide={
                "ROTATION": lambda connection: _open_id(rotations.get(connection.name)),
                "ALGORITHM": lambda connection: connection.policy.algorithm.value,
                "DAYS": lambda connection: str(connection.policy.days),
                "ON REFUSAL": lambda connection: connection.policy.on_refusal.value,
                "FINGERPRINT": lambda connection: (
                    connection.current.fingerprint if connection.current else formatting.NOTHING
                ),
            },
        )
        found_outages = filter(None, (outage(connection) for connection in keyturn.connections.all()))
        outages.announce(context.out, sorted(found_outages, key=lambda each: each.since), now)
        context.out.list(
            keyturn.connections.all(), view, empty="There are no connections. Add one: `keyturn setup NAME`."
        )
    return Exit.FINE


def _open_id(rotation: Rotation | None) -> str:
    return rotation.id if rotation else formatting.NOTHING


def _state(rotation: Rotation | None) -> str:
    return timeline.state(RotationSummary.of(rotation)) if rotation else formatting.NOTHING


def _next(connection: ConnectionSummary, rotation: Rotation | None, now: datetime) -> str:
    """When the next rotation begins, or why none will."""
    if rotation:
        if rotation.circumstances.broken:
            return Tampered.code
        return "parked" if rotation.failure else "waits for a person" if rotation.awaits_person else "under way"
    if not connection.is_automatic:
        return "by hand"
    return "now" if connection.due_at and connection.due_at <= now else formatting.day(connection.due_at)


@app.command
def show(name: ConnectionName, /, *, context: Given) -> int:
    """Show one connection, and which secrets are set.

    ```
    keyturn connection show acme
    ```
    """
    with context.keyturn() as keyturn:
        shown, known = keyturn.connections.show(name), keyturn.connections.secrets_of(name)
        rotation, now = keyturn.rotations.open_for(name), keyturn.rotations.now()
        changed = keyturn.status.tampered([name])
    outage = outage_on(shown, rotation, now)
    outages.announce(context.out, [outage] if outage else [], now, names=False)
    broken = _broken_rows(changed.get(name) if changed else None)
    rows = [*broken, *_rows(shown, known), *_rotation_rows(shown, rotation, now)]
    record = connection_json(shown, known, rotation=rotation, now=now, changed=changed)
    context.out.show(record, name, rows)
    return Exit.FINE


def _broken_rows(tampered: Tampered | None) -> Rows:
    """That what follows is not what Keyturn stored, and what to do."""
    if tampered is None:
        return []
    return [("broken", f"{tampered.message} [{tampered.code}]\n{next_actions.render(tampered.next_action)}")]


def _rotation_rows(shown: Connection, rotation: Rotation | None, now: datetime) -> Rows:
    """The open rotation, or when the next one begins."""
    if rotation:
        return [("rotation", f"{rotation.id}, {timeline.state(RotationSummary.of(rotation))}")]
    return [("next rotation", formatting.upcoming(shown, now))]


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
        ("", f"sign-in certificate {_until(netsuite)}"),
        ("OpenAir", _openair(shown)),
        ("options", _options(shown)),
        (
            "bundles",
            ", ".join(f"{number} {version}" for number, version in shown.bundles.items()) or formatting.NOTHING,
        ),
        (
            "policy",
            f"{policy.algorithm}, {policy.days} days, key {'kept' if policy.keep_key else 'destroyed'} after use\n"
            f"if OpenAir does not take a scheduled certificate: {policy.on_refusal}",
        ),
        ("secrets", f"set: {', '.join(map(_label, known)) or 'none'}" + (f"\nnot set: {missing}" if missing else "")),
        ("fingerprint", held),
    ]


def _until(netsuite: NetSuiteSettings) -> str:
    ends = netsuite.sign_in_ends
    return f"valid until {formatting.moment(ends)}" if ends else "valid until a day that Keyturn does not know"


def _openair(shown: Connection) -> str:
    openair = shown.openair
    if openair.kind is OpenAirKind.EXPORT:
        return "a person saves the exported certificate"
    who = f"OAuth client {openair.client_id}" if openair.client_id else f"{openair.user} of {openair.company}"
    consent = f"\nredirect URI {openair.redirect_uri}, sent at each refresh" if openair.redirect_uri else ""
    return f"{openair.url} as {who}\npreference {openair.preference}, namespace {openair.namespace}{consent}"


def _options(shown: Connection) -> str:
    boxes = {
        "single sign-on": shown.options.single_sign_on,
        "real-time integration": shown.options.real_time_integration,
        "OAuth 2.0": shown.options.oauth2,
    }
    return ", ".join(f"{box} {'on' if ticked else 'off'}" for box, ticked in boxes.items())


def _label(secret: SecretName) -> str:
    return secret.name.lower().replace("_", " ")
