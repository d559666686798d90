"""`keyturn setup`: a connection from nothing, step by step, each proved before the next."""

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from orchestrator import terminal
from orchestrator.bootstrap import Keyturn
from orchestrator.cli import setup_file
from orchestrator.cli.arguments import NewName, flag
from orchestrator.cli.authorize import consented
from orchestrator.cli.connection_options import read_secret
from orchestrator.cli.context import Context, Given, actor
from orchestrator.cli.exit_codes import Exit
from orchestrator.cli.health import mark
from orchestrator.cli.setup_steps import INSTRUCTIONS, REDIRECT, Answers
from orchestrator.operations.connection_fields import ConnectionFields
from orchestrator.operations.doctor import Finding
from orchestrator.operations.setup import Place, Step
from orchestrator.secrets import SecretName
from orchestrator.views import next_actions
from orchestrator.views.connection import PREFERENCE_UNPROVED, connection_json
from orchestrator.views.health import finding_json
from states.connection import Connection, OpenAirKind
from states.errors import InvalidInput, NotPermitted, SignInRefused
from states.next_action import NextAction, Verb, by_hand

_PUBLIC: Final = 0o644


def setup(
    name: NewName,
    /,
    *,
    file: Annotated[
        Path | None,
        Parameter(name="--from", help="A TOML file with answers; - for standard input.", allow_leading_hyphen=True),
    ] = None,
    certificate_file: Annotated[
        Path | None,
        Parameter(
            help="Where to write the certificate for NetSuite. Default: NAME-signin-certificate.pem here, with the day "
            "in the name of a new one.",
            show_default=False,
        ),
    ] = None,
    new_certificate: Annotated[
        bool, flag("Replace the certificate with which Keyturn signs in to NetSuite, and prove the new one.")
    ] = False,
    context: Given,
) -> int:
    """Set a connection up, step by step, on both sides.

    Each step says what to click, asks for what it needs, and is proved as `keyturn doctor` does it before the next
    one begins. Keyturn makes the key with which it signs in to NetSuite, seals it, and writes its certificate to a
    file for NetSuite. Where a step is not proved, the command stops and exits with 3. Run it again to go on at that
    step: what was given is kept, with the secrets sealed.

    With --from, answers come from a TOML file, in which a secret is { file = "…" } or { env = "…" }. With
    --no-input, nothing is asked, and all that is missing is named at once.

    ```
    keyturn setup acme
    keyturn setup acme --no-input --from acme.toml
    keyturn setup acme --new-certificate
    ```
    """
    given = setup_file.read(file) if file else ConnectionFields()
    with context.keyturn() as keyturn:
        if not context.asks:
            setup_file.require(keyturn.setup.missing(name, given))
        walk = _Walk(context, keyturn, name, Answers(given, asks=context.asks))
        walk.options = _options(context, file, certificate_file)
        today = f"-{keyturn.rotations.now():%Y-%m-%d}" if new_certificate else ""  # not the file of the former one
        walk.certificate_file = certificate_file or Path(f"{name}-signin-certificate{today}.pem")
        return walk.renew() if new_certificate else walk.go()


def _options(context: Context, file: Path | None, certificate_file: Path | None) -> str:
    """The options of this run with which the next one goes on, for a shell."""
    options = [] if context.asks or file is None else ["--no-input"]
    options += [] if file is None else ["--from", str(file)]
    options += [] if certificate_file is None else ["--certificate-file", str(certificate_file)]
    return "".join(f" {shlex.quote(option)}" for option in options)


@dataclass(frozen=True, slots=True)
class _Certificate:
    """The certificate in the file for NetSuite."""

    pem: str
    was_held: bool
    """Whether the file was there before this run."""

    def of_new_id(self, answers: ConnectionFields, connection: Connection, *, is_asked: bool) -> ConnectionFields:
        """``answers`` with the certificate, where the id that they give can only be that of this certificate.

        An id that the connection has already, or that came in a file before the certificate was made, is another's.
        """
        is_new = answers.certificate_id != connection.netsuite.certificate_id and (self.was_held or is_asked)
        is_given = answers.certificate_pem is not None or answers.certificate_until is not None
        return replace(answers, certificate_pem=self.pem) if is_new and not is_given else answers


class _Walk:
    """One run of the command."""

    certificate_file: Path
    options: str
    """Those of this run with which the next one goes on."""

    def __init__(self, context: Context, keyturn: Keyturn, name: str, answers: Answers) -> None:
        self._context = context
        self._keyturn = keyturn
        self._name = name
        self._answers = answers

    def go(self) -> int:
        """Take each step once, as long as those before it are proved."""
        taken: set[Step] = set()
        while True:
            place = self._keyturn.setup.place(self._name)
            step = place.step
            if step is None or (step in taken or not self._take(step, place)):
                return self._end(place)
            taken.add(step)

    def renew(self) -> int:
        """Replace the certificate with which Keyturn signs in to NetSuite, and go on as `go`.

        The former one is used until the new one's id is given. Where there is none yet, there is nothing to replace.
        """
        connection = self._keyturn.setup.find(self._name)
        if connection is None or not connection.netsuite.certificate_id:
            return self.go()
        former = connection.netsuite.certificate_id
        if self._answers.given.certificate_id in (None, former) and self._renewed(former):
            return self.go()
        terminal.write(INSTRUCTIONS[Step.SIGN_IN].format(file=self.certificate_file), error=True)
        made = self._certificate()
        answers = self._answers.to_renewal(former)
        if answers is None:
            self._ask_for_id()
            return self._end(Place(Step.SIGN_IN), again=" --new-certificate")
        answers = made.of_new_id(answers, connection, is_asked=self._context.asks)
        self._keyturn.setup.give(self._name, Step.SIGN_IN, answers, actor=actor())
        code = self.go()
        if code == Exit.FINE:
            self._context.out.note(f"Keyturn does not use the certificate {former} any more: revoke it in NetSuite.")
        return code

    def _renewed(self, former: str) -> bool:
        """Let Keyturn replace the certificate by NetSuite's API; False where NetSuite does not permit that."""
        try:
            renewed = self._keyturn.renewals.renew(self._name, actor=actor())
        except (NotPermitted, SignInRefused) as error:
            self._context.out.note(f"Keyturn cannot replace the certificate by itself: {error.message}")
            self._context.out.note("A person replaces it, then:")
            return False
        netsuite = renewed.netsuite
        self._context.out.note(
            f"Keyturn signs in to NetSuite with the new certificate {netsuite.certificate_id}, which it proved. The "
            f"former one, {former}, is valid for another day, and is revoked then."
        )
        return True

    def _take(self, step: Step, place: Place) -> bool:
        """Say what to do, and store what is answered; False where an answer is missing."""
        connection = self._keyturn.setup.find(self._name)
        redirect = (connection and connection.openair.redirect_uri) or REDIRECT
        self._findings(place, only_failed=True)
        terminal.write("\n" + INSTRUCTIONS[step].format(file=self.certificate_file, redirect_uri=redirect), error=True)
        made = self._certificate() if step is Step.SIGN_IN else None
        if step is Step.CONSENT and SecretName.OPENAIR_REFRESH_TOKEN not in self._answers.given.secrets:
            return self._consent()
        answers = self._answers.to(step, connection, _reported(place))
        if answers is None:
            if step is Step.SIGN_IN:
                self._ask_for_id()
            return False
        if made and connection:
            answers = made.of_new_id(answers, connection, is_asked=self._context.asks)
        self._keyturn.setup.give(self._name, step, answers, actor=actor())
        return True

    def _certificate(self) -> "_Certificate":
        """Return the certificate of the sign-in key; write it, unless an earlier run did. Raises InvalidInput."""
        file = self.certificate_file
        try:
            held = read_secret(file) if file.exists() else ""
            pem = self._keyturn.setup.certificate(self._name, held)
            if not held:
                opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PUBLIC)  # follows no link
                with os.fdopen(opened, "w", encoding="utf-8") as made:
                    made.write(pem)
            return _Certificate(pem, was_held=bool(held))
        except OSError as error:
            raise InvalidInput(f"{file} cannot be written: {error.strerror}.", next_action=_ELSEWHERE) from error
        except InvalidInput as error:
            raise InvalidInput(f"{file} exists already. {error.message}", next_action=_ELSEWHERE) from error

    def _ask_for_id(self) -> None:
        self._context.out.note(f"Map {self.certificate_file} in NetSuite, then give its certificate id.")

    def _consent(self) -> bool:
        if not self._context.asks:
            return False
        consented(self._context, self._keyturn, self._name)
        return True

    def _end(self, place: Place, *, again: str = "") -> int:
        """Say how far the connection is, and how to go on: with the option ``again``."""
        name, step = self._name, place.step
        is_set_up = step in (None, Step.AUTOMATION)
        connection = self._keyturn.setup.find(name)
        known = self._keyturn.connections.secrets_of(name) if connection else []
        rotation = self._keyturn.rotations.open_for(name) if connection else None
        now = self._keyturn.rotations.now()
        record = {
            "connection": connection_json(connection, known, rotation=rotation, now=now) if connection else None,
            "complete": is_set_up,
            "step": None if is_set_up or step is None else step.value,
            "findings": [finding_json(each) for each in place.findings],
        }
        self._context.out.show(record, name, [("set up", name)] if is_set_up else [("stopped", f"{name}, at {step}")])
        self._findings(place)
        if is_set_up:
            if connection and connection.openair.kind is OpenAirKind.XML:
                self._context.out.note(f"{PREFERENCE_UNPROVED} Make sure that an import succeeds after the rotation.")
            self._context.out.note(f"Next: `{next_actions.line(NextAction(Verb.ROTATE, {'connection': name}))}`.")
            return Exit.FINE
        command, first = f"keyturn setup {shlex.quote(name)}{self.options}{again}", ""
        if step is Step.CONSENT and not self._context.asks:
            first = f"`{next_actions.line(NextAction(Verb.AUTHORIZE, {'connection': name}))}`, then "
        self._context.out.note(f"The answers up to this step are kept. Go on: {first}`{command}`.")
        return Exit.ATTENTION

    def _findings(self, place: Place, *, only_failed: bool = False) -> None:
        """Print the doctor's findings."""
        for each in place.findings:
            if not each.ok or not only_failed:
                self._context.out.note(f"{mark(each)} {each.subject}: {each.message}")
                if each.fix:
                    self._context.out.note(f"    {next_actions.render(each.fix)}")


_ELSEWHERE: Final = by_hand("Remove the file, or choose another with --certificate-file.")


def _reported(place: Place) -> dict[str, str]:
    """The bundles' versions in NetSuite, as the doctor's fix has them."""
    found: dict[str, str] = {}
    for each in place.findings:
        found |= _versions(each)
    return found


def _versions(finding: Finding) -> dict[str, str]:
    pairs = finding.fix.options.get("bundle") if finding.fix else None
    return dict(pair.split("=", 1) for pair in pairs) if isinstance(pairs, tuple) else {}
