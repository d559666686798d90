"""`keyturn setup`: from nothing to the first completed rotation, interrupted anywhere, with wrong answers."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest
from acceptance.consent import consented
from acceptance.installed_keyturn import NAME, InstalledKeyturn, Run, error, options_for, rotate
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from simulator import Credentials, Fault, Simulator

SECRETS = ("openair_api_key", "openair_client_secret", "openair_refresh_token")


def answers(known: Credentials, folder: Path) -> dict[str, str]:
    """Return all answers but the certificate id, as TOML writes their values; the secrets are in files."""
    options_for(known, folder / "secrets")
    texts = {
        "account": known.account,
        "client_id": known.client_id,
        "restlet_url": known.netsuite_url,
        "token_url": known.netsuite_url,
        "openair_url": known.openair_url,
        "openair_namespace": known.api_namespace,
        "openair_client_id": known.openair_client_id,
        "algorithm": "ec-p256",
    }
    files = {name: f'{{ file = "secrets/{name.replace("_", "-")}-file" }}' for name in SECRETS}
    return {**{name: f'"{text}"' for name, text in texts.items()}, **files}


def set_up(keyturn: InstalledKeyturn, given: Mapping[str, str], *more: object, **environment: str) -> Run:
    """Run the command with these answers, and without a question."""
    file = keyturn.folder / "acme.toml"
    file.write_text("".join(f"{name} = {value}\n" for name, value in given.items()))
    own = () if "--certificate-file" in more else ("--certificate-file", certificate(keyturn))
    options = ("--from", file, *own, *more)
    return keyturn("setup", NAME, "--no-input", *options, **environment)


def again(keyturn: InstalledKeyturn, file: Path | None = None) -> str:
    """The command that goes on, with the certificate in ``file``."""
    options = ("--from", keyturn.folder / "acme.toml", "--certificate-file", file or certificate(keyturn))
    return shlex.join(["keyturn", "setup", NAME, "--no-input", *map(str, options)])


def certificate(keyturn: InstalledKeyturn) -> Path:
    return keyturn.folder / "signin.pem"


def mapped(keyturn: InstalledKeyturn, simulator: Simulator) -> str:
    """Map the certificate that was written in NetSuite, as its administrator does; return its id, as TOML has it."""
    return f'"{simulator.netsuite.map_sign_in(certificate(keyturn).read_text())}"'


def test_from_nothing_to_the_first_rotation(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """Two runs, with the certificate's id between them; then a rotation completes and an import succeeds."""
    given = answers(simulator.credentials, initialised.folder)
    first = set_up(initialised, given)
    assert (3, True) == (first.returncode, f"Go on: `{again(initialised)}`" in first.stderr), first.stderr
    assert f"Map {certificate(initialised)} in NetSuite, then give its certificate id." in first.stderr
    given |= {"certificate_id": mapped(initialised, simulator), "bundles": '{ 369630 = "4.02", 369637 = "5.02" }'}
    done = set_up(initialised, given)
    assert 0 == done.returncode, done.stderr
    assert (0, 0) == (initialised("doctor", NAME).returncode, rotate(initialised).returncode)
    made = x509.load_pem_x509_certificate(certificate(initialised).read_bytes())
    known = initialised.json("connection", "show", NAME)["netsuite"]
    assert made.not_valid_after_utc == datetime.fromisoformat(known["certificate_until"])
    assert "project=T" == simulator.import_requests.send()
    before = initialised.dump()
    assert (0, before) == (set_up(initialised, given).returncode, initialised.dump()), "it is safe to repeat"


def test_the_certificate_for_netsuite(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """It is valid for two years at most, has no private key, and a run that repeats the step keeps it."""
    given = answers(simulator.credentials, initialised.folder)
    set_up(initialised, given)
    written = certificate(initialised).read_text()
    made = x509.load_pem_x509_certificate(written.encode())
    assert 729 <= (made.not_valid_after_utc - made.not_valid_before_utc).days <= 730
    assert "PRIVATE" not in written
    assert (3, written) == (set_up(initialised, given).returncode, certificate(initialised).read_text())
    certificate(initialised).unlink()
    assert 3 == set_up(initialised, given).returncode
    given["certificate_id"] = mapped(initialised, simulator)
    assert 0 == set_up(initialised, given).returncode, "another certificate of the same key"


def test_a_new_certificate(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """The first run writes it, and changes nothing else; the second one takes its id, proves it, and keeps its end."""
    given = answers(simulator.credentials, initialised.folder)
    set_up(initialised, given)
    given["certificate_id"] = former = mapped(initialised, simulator)
    assert 0 == set_up(initialised, given).returncode
    before, file = initialised.dump(), initialised.folder / "new.pem"
    for _ in range(2):
        asked = set_up(initialised, given, "--new-certificate", "--certificate-file", file)
        assert (3, before) == (asked.returncode, initialised.dump()), asked.stderr
        assert f"Go on: `{again(initialised, file)} --new-certificate`" in asked.stderr
    made = x509.load_pem_x509_certificate(file.read_bytes())
    given["certificate_id"] = f'"{simulator.netsuite.map_sign_in(file.read_text())}"'
    done = set_up(initialised, given, "--new-certificate", "--certificate-file", file)
    assert (0, True) == (done.returncode, f"the certificate {former[1:-1]} any more: revoke it" in done.stderr), (
        done.stderr
    )
    known = initialised.json("connection", "show", NAME)["netsuite"]
    assert f'"{known["certificate_id"]}"' == given["certificate_id"]
    assert made.fingerprint(SHA256()).hex() == known["certificate_fingerprint"]
    assert 0 == initialised("doctor", NAME).returncode


def test_a_new_certificate_by_keyturn_itself(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """Where NetSuite permits it, one run replaces key and certificate, proves them, and keeps the end."""
    given = answers(simulator.credentials, initialised.folder)
    set_up(initialised, given)
    given["certificate_id"] = former = mapped(initialised, simulator)
    assert 0 == set_up(initialised, given).returncode
    simulator.netsuite.record.permissions.add("MANAGE_OWN_CERTIFICATES")
    file = initialised.folder / "new.pem"
    done = set_up(initialised, given, "--new-certificate", "--certificate-file", file)
    said = " ".join(done.stderr.split())
    assert (0, False) == (done.returncode, file.exists()), done.stderr
    assert f"The former one, {former[1:-1]}, is valid for another day, and is revoked then." in said
    known = initialised.json("connection", "show", NAME)["netsuite"]
    made = simulator.netsuite.sign_ins.live()[known["certificate_id"]].certificate
    assert made.fingerprint(SHA256()).hex() == known["certificate_fingerprint"]
    assert made.not_valid_after_utc == datetime.fromisoformat(known["certificate_until"])
    assert f'"{known["certificate_id"]}"' != former
    assert (0, False) == (initialised("doctor", NAME).returncode, "PRIVATE KEY" in done.stderr + done.stdout)


def test_the_end_of_a_certificate_of_another_id_is_not_guessed(
    initialised: InstalledKeyturn, simulator: Simulator
) -> None:
    """An id that came before its certificate was made here is another's: its end is not known."""
    given = answers(simulator.credentials, initialised.folder)
    set_up(initialised, given)
    given["certificate_id"] = mapped(initialised, simulator)
    certificate(initialised).unlink()
    assert 0 == set_up(initialised, given).returncode
    listed = initialised("credentials", NAME, "--within", "800d")
    assert (0, True) == (listed.returncode, "not known" in listed.stdout)
    assert f"keyturn connection edit {NAME} --certificate-until" in " ".join(listed.stderr.split())
    assert f"is not known ({NAME}): `keyturn credentials`" in " ".join(initialised("health").stderr.split())
    initialised("connection", "edit", NAME, "--certificate-until", "2099-01-02")
    health = initialised("health")
    assert "Keyturn's own sign-in to NetSuite is valid until 2099-01-02" in health.stdout
    assert "sign-in certificate" not in health.stderr
    found = {each["credential"]: each["not_after"] for each in initialised.json("credentials", NAME)}
    assert "2099-01-02T00:00:00.000Z" == found["sign-in-certificate"]
    codes = [initialised("credentials", "--within", within).returncode for within in ("36500d", "1s")]
    assert [3, 0] == codes


def test_a_file_that_is_not_ours(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """A file in the certificate's place is not overwritten; the error names another option."""
    certificate(initialised).write_text("something else")
    refused = set_up(initialised, answers(simulator.credentials, initialised.folder))
    assert (2, True) == (refused.returncode, "--certificate-file" in refused.stderr)
    assert "something else" == certificate(initialised).read_text()


def test_no_rotation_of_a_draft(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """What is set up in part is not due: the schedule begins nothing. A person sees how to go on with the set-up."""
    given = answers(simulator.credentials, initialised.folder)
    set_up(initialised, given)
    assert 0 == initialised("run-due").returncode
    refused = error(initialised("rotate", NAME, "-o", "json"))
    assert ("NOT_SET_UP", f"keyturn setup {NAME}") == (refused["code"], refused["next_action"]["command"])
    given["certificate_id"] = mapped(initialised, simulator)
    assert (0, 0) == (set_up(initialised, given).returncode, initialised("run-due").returncode)
    assert [] == initialised.json("rotation", "list")


def test_what_is_missing_is_named_at_once(initialised: InstalledKeyturn) -> None:
    """Without answers, all of them are named, and nothing is stored."""
    before = initialised.dump()
    refused = initialised("setup", NAME, "--no-input")
    assert (2, before) == (refused.returncode, initialised.dump())
    needed = "account, client_id, openair_url, openair_api_key, openair_client_id, openair_client_secret"
    assert needed in " ".join(refused.stderr.split())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"openair_api_key": '"canary-in-clear"'}, "openair_api_key must say where"),
        ({"openair_api_key": '{ env = "NO_SUCH_VARIABLE" }'}, "variable of openair_api_key is not set"),
        ({"openair_api_key": '{ file = "missing" }'}, "cannot be read"),
        ({"acount": '"canary-in-clear"'}, "acount is not a field of a connection: perhaps account."),
        ({"days": '"canary-in-clear"'}, "days has the wrong type"),
        ({"days": "true"}, "days has the wrong type"),
        ({"days": "[" * 5000 + "]" * 5000}, "is not TOML: it is nested too deeply"),
        ({"days": "9" * 5000}, "is not TOML: a number has too many digits"),
        ({"bundles": '"canary-in-clear"'}, "bundles must be"),
        ({"on_refusal": '"canary-in-clear"'}, "on_refusal must be restore or park"),
        ({"account": '"canary-in-clear'}, "is not TOML (at line 1"),
    ],
)
def test_a_file_that_is_wrong(
    initialised: InstalledKeyturn, simulator: Simulator, wrong: dict[str, str], said: str
) -> None:
    """The field is named and its value never shown, because it may be a secret; nothing is stored."""
    before = initialised.dump()
    refused = set_up(initialised, {**answers(simulator.credentials, initialised.folder), **wrong})
    assert (2, True) == (refused.returncode, said in " ".join(refused.stderr.split())), refused.stderr
    assert "canary-in-clear" not in refused.stderr + refused.stdout
    assert before == initialised.dump()


def test_a_secret_from_the_environment(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """A secret can be in an environment variable."""
    given = {**answers(simulator.credentials, initialised.folder), "openair_api_key": '{ env = "GIVEN_API_KEY" }'}
    key = simulator.credentials.api_key
    assert 3 == set_up(initialised, given, GIVEN_API_KEY=key).returncode
    given["certificate_id"] = mapped(initialised, simulator)
    run = set_up(initialised, given, GIVEN_API_KEY=key)
    assert 0 == run.returncode, run.stderr


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("step", ["certificate_id", "openair_api_key"])
def test_a_wrong_answer_loses_nothing(
    initialised: InstalledKeyturn, simulator: Simulator, step: str, tmp_path: Path, *, alone: bool
) -> None:
    """A step that is not proved is stopped at, with the doctor's finding; the right answer is enough to go on."""
    given = answers(simulator.credentials, initialised.folder)
    set_up(initialised, given)
    right = {**given, "certificate_id": mapped(initialised, simulator)}
    (tmp_path / "wrong").write_text("wrong-one")
    wrong = {"certificate_id": '"wrong"', "openair_api_key": '{ file = "wrong" }'}[step]
    stopped = set_up(initialised, {**right, step: wrong})
    assert (3, True) == (stopped.returncode, "✗ acme: " in stopped.stderr), stopped.stderr
    needed = {step} | {name for name in right if step == "certificate_id" and name.startswith("openair")}
    done = set_up(initialised, {name: value for name, value in right.items() if name in needed or not alone})
    assert 0 == done.returncode, done.stderr


@pytest.mark.parametrize("down", ["netsuite.token", "netsuite.restlet", "openair.api"])
def test_a_system_that_is_down(initialised: InstalledKeyturn, simulator: Simulator, down: str) -> None:
    """Setup stops at the step that it cannot prove, and goes on there when the system answers again."""
    given = answers(simulator.credentials, initialised.folder)
    set_up(initialised, given)
    given["certificate_id"] = mapped(initialised, simulator)
    simulator.faults.add(Fault(down, "503", times=None))
    assert 3 == set_up(initialised, given).returncode
    simulator.faults.clear()
    done = set_up(initialised, given)
    assert 0 == done.returncode, done.stderr


def test_a_consent_between_two_runs(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """Without a refresh token, setup names the command that gets one, and goes on after it."""
    given = answers(simulator.credentials, initialised.folder)
    del given["openair_refresh_token"]
    set_up(initialised, given)
    given["certificate_id"] = mapped(initialised, simulator)
    stopped = set_up(initialised, given)
    assert (3, True) == (stopped.returncode, f"`keyturn connection authorize {NAME}`, then" in stopped.stderr)
    uri = "https://localhost/done"
    consent = consented(initialised.environment, "connection", "authorize", NAME, "--redirect-uri", uri, "--paste")
    assert (0, 0) == (consent.returncode, set_up(initialised, given).returncode), consent.stderr


def test_by_hand(initialised: InstalledKeyturn, simulator: Simulator) -> None:
    """Where a person saves the certificate, OpenAir's address is all that is needed of OpenAir."""
    whole = answers(simulator.credentials, initialised.folder)
    netsuite = {name: value for name, value in whole.items() if not name.startswith("openair")}
    refused = set_up(initialised, {**netsuite, "openair_export": "true"})
    assert (2, True) == (refused.returncode, "have no openair_url." in refused.stderr), refused.stderr
    given = {**netsuite, "openair_export": "true", "openair_url": whole["openair_url"]}
    assert 3 == set_up(initialised, given).returncode
    given["certificate_id"] = mapped(initialised, simulator)
    done = set_up(initialised, given, "-o", "json")
    assert (0, True) == (done.returncode, '"kind": "export"' in done.stdout), done.stderr
