"""`keyturn setup` at a terminal: what it asks, and stopping at any question."""

import getpass
import io
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from acceptance.installed_keyturn import NAME, InstalledKeyturn, rotate

from orchestrator.cli import application
from simulator import Credentials, Simulator
from states.certificate import Certificate

Ask = Callable[..., tuple[int, str]]


class Terminal(io.StringIO):
    """A person who types these lines, and then ends the input."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def ask(initialised: InstalledKeyturn, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run the command in this process for a person who types these answers; return its exit code and stderr."""
    known = simulator.credentials
    for name, value in initialised.environment.items():
        monkeypatch.setenv(name, value)
    secrets = {"API key": known.api_key, "Password": known.password}
    monkeypatch.setattr(getpass, "getpass", lambda prompt: secrets[prompt.partition(" (")[0]])
    hosts = initialised.folder / "hosts.toml"
    hosts.write_text(f'restlet_url = "{known.netsuite_url}"\ntoken_url = "{known.netsuite_url}"\nalgorithm = "ec-p256"')

    def run(answers: Sequence[str], *more: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{each}\n" for each in answers)))
        made = renewed(initialised) if more else certificate(initialised)
        files = ("--from", str(hosts), "--certificate-file", str(made), *more)
        err = io.StringIO()
        with redirect_stdout(io.StringIO()), redirect_stderr(err):
            exit_code = application.run(["setup", NAME, *files])
        return exit_code, err.getvalue()

    return run


def certificate(keyturn: InstalledKeyturn) -> Path:
    return keyturn.folder / "signin.pem"


def renewed(keyturn: InstalledKeyturn) -> Path:
    return keyturn.folder / "renewed.pem"


def again(keyturn: InstalledKeyturn, certificate_file: Path) -> str:
    """The command that goes on."""
    files = ("--from", keyturn.folder / "hosts.toml", "--certificate-file", certificate_file)
    return shlex.join(["keyturn", "setup", NAME, *map(str, files)])


def in_openair(known: Credentials) -> list[str]:
    return [known.openair_url, "y", known.api_namespace, "-", known.company, known.user]


@pytest.mark.parametrize("answered", range(8))
def test_stopping_at_a_question(ask: Ask, initialised: InstalledKeyturn, simulator: Simulator, answered: int) -> None:
    """Stopping exits with 3, and the next run goes on at that step; in the end a rotation completes."""
    known = simulator.credentials
    code, said = ask([known.account, known.client_id])
    assert 3 == code, said
    going_on = again(initialised, certificate(initialised))
    assert said.endswith(f"The answers up to this step are kept. Go on: `{going_on}`.\n"), said
    steps = [[simulator.netsuite.map_sign_in(certificate(initialised).read_text())], in_openair(known), ["y"]]
    everything = [answer for step in steps for answer in step]
    code, said = ask(everything[:answered])
    assert 3 == code or (answered == 7 and code == 0), said
    taken = 0 if answered < 1 else 1 if answered < 7 else 2
    code, said = ask([answer for step in steps[taken:] for answer in step])
    assert 0 == code, said
    assert "Certificate id" not in said or taken == 0, "a step that is proved is not asked again"
    assert 0 == rotate(initialised).returncode
    assert initialised.json("connection", "show", NAME)["automatic"]


def test_a_new_sign_in_certificate(ask: Ask, initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """Stopping at the question changes nothing; an id that is not proved is asked for again, and then corrected."""
    known = simulator.credentials
    ask([known.account, known.client_id])
    mapped = simulator.netsuite.map_sign_in(certificate(initialised).read_text())
    assert 0 == ask([mapped, *in_openair(known), "y"])[0]
    before = initialised.dump()
    code, said = ask([], "--new-certificate")
    assert (3, before) == (code, initialised.dump())
    assert said.endswith(f"Go on: `{again(initialised, renewed(initialised))} --new-certificate`.\n"), said
    new = simulator.netsuite.map_sign_in(renewed(initialised).read_text())
    code, said = ask(["wrong", "", new], "--new-certificate")
    assert (0, True) == (code, f"does not use the certificate {mapped} any more" in said), said
    netsuite = initialised.json("connection", "show", NAME)["netsuite"]
    fingerprint = Certificate.parse(renewed(initialised).read_text()).fingerprint
    assert (new, fingerprint) == (netsuite["certificate_id"], netsuite["certificate_fingerprint"])


def test_no_secret_is_shown(ask: Ask, initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """What a person types unseen is nowhere in the output, also where OpenAir refuses it."""
    known = simulator.credentials
    ask([known.account, known.client_id])
    wrong = [known.openair_url, "y", "no-such-namespace", "-", known.company, known.user]
    code, said = ask([simulator.netsuite.map_sign_in(certificate(initialised).read_text()), *wrong])
    assert (3, True) == (code, "✗ acme: OpenAir sign-in" in said)
    assert not [secret for secret in (known.api_key, known.password) if secret in said]
    code, said = ask([*in_openair(known), "n"])
    assert (0, False) == (code, initialised.json("connection", "show", NAME)["automatic"]), said


def test_saying_nothing(ask: Ask, initialised: InstalledKeyturn) -> None:
    """Without the first answers nothing is stored."""
    before = initialised.dump()
    code, said = ask([])
    assert (3, before) == (code, initialised.dump())
    assert "Setup > Integration > Manage Integrations > New" in said
