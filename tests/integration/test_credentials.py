"""The inventory of Keyturn's own credentials, what is reported of their ends, and what a program measures of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from integration.fixture_types import Rotate
from integration.test_alert_expiry import look_at
from integration.test_alert_kinds import Taker, routed
from integration.test_metrics import scraped
from support.environment import NAME

from orchestrator import tls_files
from orchestrator.adapters.keys import new_sign_in_key, sign_in_certificate
from orchestrator.bootstrap import Keyturn
from orchestrator.operations.credentials import Credentials
from orchestrator.views import next_actions
from states.access import Role
from states.alert import Kind, Phase
from states.credential import Credential
from states.errors import VaultLocked

BEGAN, CHANGED, LASTS, ENDED = Phase.BEGAN, Phase.CHANGED, Phase.LASTS, Phase.ENDED


class Locked:
    """A vault without its key-encryption key."""

    def open(self, *_: object, **__: object) -> bytes:
        """Raise VaultLocked."""
        raise VaultLocked


def sign_in_ends(app: Keyturn, until: datetime | None) -> None:
    """Tell Keyturn when the connection's sign-in certificate ends."""
    shown = app.connections.show(NAME)
    netsuite = replace(shown.netsuite, certificate_until=until.isoformat() if until else "")
    app.connections.edit(replace(shown, netsuite=netsuite), {}, actor="ada")


def certificates(file: Path, *begins: datetime) -> list[datetime]:
    """Write certificates that are valid for two years from each moment; return when they end."""
    pems = [sign_in_certificate(new_sign_in_key(), "acme", each) for each in begins]
    file.write_text("".join(pems))
    return [x509.load_pem_x509_certificate(each.encode()).not_valid_after_utc for each in pems]


def watching(app: Keyturn, **files: Path) -> Credentials:
    """Let ``app`` watch these files, by the settings that name them."""
    app.credentials._files = {name.replace("__", "."): file for name, file in files.items()}
    return app.credentials


def named(found: Sequence[Credential], name: str) -> Credential:
    """The one of this id."""
    (only,) = [each for each in found if each.id == name]
    return only


def test_the_inventory_of_a_connection(app: Keyturn) -> None:
    """What it signs in with on both sides: what ends, what ends on an unknown day, and what has no known end."""
    found = app.credentials.all(NAME)
    assert ["sign-in-certificate", "api-key", "client-secret", "password", "refresh-token"] == [
        each.id for each in found
    ]
    assert [False, True, True, True, True] == [each.is_known for each in found]
    assert [None] * 5 == [each.not_after for each in found]
    assert "keyturn connection edit acme --certificate-until" == next_actions.command(found[0].next_action)
    assert "keyturn connection authorize acme" == next_actions.command(found[-1].next_action)
    end = app.clock.now().replace(microsecond=0) + timedelta(days=200)
    sign_in_ends(app, end)
    first = app.credentials.all()[0]
    assert (end, "keyturn setup acme --new-certificate") == (first.not_after, next_actions.command(first.next_action))


def test_when_the_refresh_token_was_renewed(app: Keyturn, rotate: Rotate) -> None:
    """It is known from the first refresh on, and not without the vault's key."""
    assert named(app.credentials.all(NAME), "refresh-token").used_at is None
    began = app.clock.now()
    rotate()
    renewed_at = named(app.credentials.all(NAME), "refresh-token").used_at
    assert renewed_at
    assert began <= renewed_at <= app.clock.now()
    locked = Credentials(app.store, Locked(), app.clock, {})  # type: ignore[arg-type]  # all that it needs
    shown = named(locked.all(NAME), "refresh-token")
    assert (None, True) == (shown.used_at, "without the key-encryption key" in shown.note)


def test_each_step_is_reported_once_and_a_new_certificate_ends_it(app: Keyturn) -> None:
    """One alert for a sign-in certificate: its steps, its end, a reminder, and the all-clear."""
    taker = routed(app, NAME)
    end = app.clock.now().replace(microsecond=0) + timedelta(days=91)
    sign_in_ends(app, end)
    for left in (90.5, 89, 60, 29, 13, 6, 0.5, -0.1, -1.2):
        look_at(app, end - timedelta(days=left))
    sign_in_ends(app, end + timedelta(days=700))
    look_at(app, app.clock.now())
    about = [each for each in taker.got if each.finding.kind is Kind.CREDENTIAL_EXPIRING]
    assert [
        (BEGAN, 90),
        (CHANGED, 30),
        (CHANGED, 14),
        (CHANGED, 7),
        (CHANGED, 1),
        (CHANGED, 0),
        (LASTS, 0),
        (ENDED, 0),
    ] == [(each.phase, each.finding.days) for each in about]
    assert 1 == len({each.alert for each in about})
    assert "keyturn setup acme --new-certificate" == next_actions.command(about[0].finding.next_action)


def token_messages(taker: Taker) -> list[Phase]:
    """The phases of what was reported of the token ci."""
    return [each.phase for each in taker.got if "API token ci" in each.finding.message]


def test_a_token_in_use_is_reported_until_it_is_revoked(app: Keyturn) -> None:
    """The message says how to make one of the same role, and then to revoke the old one."""
    taker = routed(app)
    app.tokens.add("ci-2", Role.VIEWER, days=90, actor="ada")
    made = app.tokens.add("ci", Role.OPERATOR, days=90, actor="ada")
    look_at(app, made.token.expires_at - timedelta(days=20))
    assert app.tokens.accepted(made.secret)
    look_at(app, made.token.expires_at - timedelta(days=13))
    assert [BEGAN] == token_messages(taker)
    (finding,) = [each.finding for each in taker.got if "API token ci" in each.finding.message]
    shown = next_actions.render(finding.next_action)
    assert "Run `keyturn token add ci-3 --role operator`." in shown
    assert "keyturn token revoke ci`" in shown
    app.tokens.revoke("ci", actor="ada")
    look_at(app, app.clock.now())
    assert [BEGAN, ENDED] == token_messages(taker)


def test_a_token_that_no_program_uses_is_not_reported(app: Keyturn) -> None:
    """Its end harms no one; the inventory says so, and to revoke it."""
    taker = routed(app)
    made = app.tokens.add("ci", Role.VIEWER, days=90, actor="ada")
    look_at(app, made.token.expires_at + timedelta(days=1))
    assert [] == token_messages(taker)
    shown = named(app.credentials.all(), "api-token/ci")
    assert ("No program has used it lately.", "keyturn token revoke ci") == (
        shown.note,
        next_actions.command(shown.next_action),
    )


def test_the_first_to_end_in_a_file_counts(app: Keyturn, tmp_path: Path) -> None:
    """Of a chain the first of all; of authorities the first that has not ended."""
    now = app.clock.now()
    file = tmp_path / "chain.pem"
    ended, second, _ = certificates(file, now - timedelta(days=800), now - timedelta(days=700), now)
    found = watching(app, console__tls_certificate=file, http__ca_bundle=file).all()
    assert ended == named(found, "tls-file/console.tls_certificate").not_after
    assert second == named(found, "tls-file/http.ca_bundle").not_after
    assert str(file) in named(found, "tls-file/http.ca_bundle").next_action.because


@pytest.mark.parametrize(
    "content", [None, "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_a_file_that_cannot_be_read(app: Keyturn, tmp_path: Path, content: str | None) -> None:
    """Its end is not known, and the note names the file."""
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_text(content)
    shown = named(watching(app, http__ca_bundle=file).all(), "tls-file/http.ca_bundle")
    assert (False, None, True) == (shown.is_known, shown.not_after, str(file) in shown.note)
    assert [] == app.credentials.ending()


def test_the_files_that_settings_name(app: Keyturn) -> None:
    """Those of the HTTP client, of the console, and of the database's URL; not the operating system's own."""
    url = "postgresql://a,b/keyturn?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/own.pem"
    settings = app.settings.model_copy(update={"store": app.settings.store.model_copy(update={"url": url})})
    assert {"store.url sslrootcert": Path("/ca.pem"), "store.url sslcert": Path("/own.pem")} == tls_files.named(
        settings
    )
    system = url.replace("/ca.pem", "system")
    settings = app.settings.model_copy(update={"store": app.settings.store.model_copy(update={"url": system})})
    assert ["store.url sslcert"] == list(tls_files.named(settings))


def test_what_is_measured(app: Keyturn, tmp_path: Path) -> None:
    """One figure for each credential that ends, and none for those whose end is not known."""
    end = datetime(2028, 11, 26, tzinfo=UTC)
    (file_ends,) = certificates(tmp_path / "ca.pem", app.clock.now())
    watching(app, http__ca_bundle=tmp_path / "ca.pem")
    sign_in_ends(app, end)
    figures = {name: value for name, value in scraped(app).items() if "credential" in name}
    assert {
        f"keyturn_credential_not_after_timestamp_seconds({NAME},sign-in-certificate)": end.timestamp(),
        "keyturn_credential_not_after_timestamp_seconds(,tls-file/http.ca_bundle)": file_ends.timestamp(),
    } == figures
