"""Errors in the settings: each names the setting and the value that it must have."""

import os
from pathlib import Path

import pytest

from orchestrator.settings import tables, template
from orchestrator.settings_file import load
from states.errors import InvalidSettings


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEYTURN_DATA", str(tmp_path / "data"))
    return tmp_path / "keyturn.toml"


def refusal(file: Path) -> str:
    with pytest.raises(InvalidSettings) as caught:
        load(file)
    return caught.value.message


UNKNOWN = {
    "[worker]\nthread = 3": "there is no setting worker.thread. Did you mean worker.threads?",
    "[workers]\nthreads = 3": "there is no setting workers. Did you mean worker?",
    "threads = 3": "there is no setting threads. Did you mean worker.threads?",
    "treads = 3": "there is no setting treads. Did you mean worker.threads?",
    "[http]\npoll = 3": "there is no setting http.poll. Did you mean worker.poll?",
    "[vault]\nsrouce = 'file'": "there is no setting vault.srouce. Did you mean vault.source?",
    "[worker]\nqqqqq = 3": "there is no setting worker.qqqqq.",
    "qqqqq = 3": "there is no setting qqqqq.",
    "data = '/srv'": "there is no setting data.",
    "config_file = 'x'": "there is no setting config_file.",
}


@pytest.mark.parametrize(("text", "expected"), UNKNOWN.items())
def test_an_unknown_setting_is_named_with_the_nearest_known_one(file: Path, text: str, expected: str) -> None:
    """An unknown setting is refused, and the error suggests the nearest known one if there is one."""
    file.write_text(text)
    assert f"{file}: {expected}" == refusal(file)


VARIABLES = {
    "KEYTURN_WORKER__THREAD": "Did you mean KEYTURN_WORKER__THREADS?",
    "KEYTURN_WORKERS__THREADS": "Did you mean KEYTURN_WORKER__THREADS?",
    "KEYTURN_WORKER_THREADS": "Did you mean KEYTURN_WORKER__THREADS?",
    "KEYTURN_CONFG": "Did you mean KEYTURN_CONFIG?",
    "KEYTURN_QQQQQ": "",
}


@pytest.mark.parametrize(("variable", "nearest"), VARIABLES.items())
def test_an_unknown_variable_is_named_with_the_nearest_known_one(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str
) -> None:
    """An unknown variable with Keyturn's prefix is refused with the nearest known one."""
    file.touch()
    monkeypatch.setenv(variable, "s3cret")
    assert f"There is no setting for the environment variable {variable}. {nearest}".strip() == refusal(file)


WRONG = {
    "[worker]\nthreads = 0": "worker.threads must be a whole number from 1 to 64.",
    "[worker]\nthreads = 65": "worker.threads must be a whole number from 1 to 64.",
    "[worker]\nthreads = 's3cret'": "worker.threads must be a whole number from 1 to 64.",
    "[worker.threads]\na = 1": "worker.threads must be a whole number from 1 to 64.",
    "[worker]\nthreads = true": "worker.threads must be a whole number from 1 to 64.",
    "[http]\ntimeout = true": "http.timeout must be a number above 0, at most 120.",
    '[vault]\nfile = "kek\\u0000"': "vault.file holds a NUL character.",
    '[alerts.routes.a]\nrecipients = ["a\\u0000"]': "alerts.routes.a.recipients holds a NUL character.",
    "[worker]\nlease = 0.5": "worker.lease must be a number from 1 to 600.",
    "[http]\ntimeout = 0": "http.timeout must be a number above 0, at most 120.",
    "[http]\nca_bundle = 3": "http.ca_bundle must be a path.",
    "[schedule]\nquiet = 'month end'": "schedule.quiet must be periods of days such as -2..3, 12-20..01-05 or "
    "2026-12-20..2027-01-05, of at most 60 days in a row.",
    "[schedule]\ntime_zone = 'Mars'": "schedule.time_zone must be a time zone that this computer knows, such as "
    "Europe/Berlin.",
    "[schedule]\ntime_zone = '/etc/passwd'": "schedule.time_zone must be a time zone that this computer knows, such as "
    "Europe/Berlin.",
    "[store]\nurl = 3": "store.url must be a string.",
    "[http]\nproxy = 'http://user:s3cret@proxy:3128'": "http.proxy must be a URL such as "
    "http://proxy.example.com:3128, without user and password.",
    "[http]\nproxy = 'proxy:3128'": "http.proxy must be a URL such as http://proxy.example.com:3128, without user and "
    "password.",
    "[openid]\nissuer = 'http://s3cret.example.com'": "openid.issuer must be a URL such as "
    "https://login.example.com/realms/staff, as the provider itself writes it.",
    "[openid]\nscope = 'email'": "openid.scope must be words that include openid, such as: openid email "
    "profile groups.",
    "[openid]\noperators = [7]": 'openid.operators must be a list of strings such as ["keyturn-operators"].',
    "[log]\nlevel = 's3cret'": "log.level must be one of debug, info, warning, error.",
    "worker = 's3cret'": "worker must be a table: [worker].",
}


@pytest.mark.parametrize(("text", "expected"), WRONG.items())
def test_a_wrong_value_is_refused_with_the_right_form(file: Path, text: str, expected: str) -> None:
    """The error names the form that a value must have, and does not quote the value, which may be a secret."""
    file.write_text(text)
    assert f"{file}: {expected}" == refusal(file)


def test_a_wrong_value_of_the_environment_names_the_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an environment variable is wrong, the error names the variable and not the file."""
    file.write_text("[worker]\nthreads = 4")
    monkeypatch.setenv("KEYTURN_WORKER__THREADS", "s3cret")
    assert "KEYTURN_WORKER__THREADS must be a whole number from 1 to 64." == refusal(file)


def test_a_new_file_shows_every_default(file: Path) -> None:
    """The file that `keyturn init` writes is valid, names each setting, and changes nothing."""
    file.write_text(template())
    names = [name for table in tables().values() for name in table.model_fields]
    assert load(file.parent / "keyturn.toml") == load(None).model_copy(update={"config_file": file})
    assert all(f"# {name} = " in template() for name in names)


SERVICE_LINKS = {
    "KEYTURN_SERVICE_HOST": "10.96.0.17",
    "KEYTURN_SERVICE_PORT": "80",
    "KEYTURN_SERVICE_PORT_HTTP": "80",
    "KEYTURN_PORT": "tcp://10.96.0.17:80",
    "KEYTURN_PORT_80_TCP": "tcp://10.96.0.17:80",
    "KEYTURN_PORT_80_TCP_PROTO": "tcp",
    "KEYTURN_PORT_80_TCP_PORT": "80",
    "KEYTURN_PORT_80_TCP_ADDR": "fd00::17",
    "KEYTURN_WORKER_SERVICE_HOST": "10.96.0.18",
    "KEYTURN_WORKER_PORT": "udp://10.96.0.18:80",
}


def test_the_variables_of_a_kubernetes_service_are_no_settings(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Kubernetes sets for Services named keyturn and keyturn-worker is ignored."""
    file.touch()
    for variable, value in SERVICE_LINKS.items():
        monkeypatch.setenv(variable, value)
    assert 2 == load(file).worker.threads


@pytest.mark.parametrize(
    ("variable", "value"), {"KEYTURN_PORT": "8080", "KEYTURN_SERVICE_PORT": "http", "KEYTURN_WORKER_HOST": "x"}.items()
)
def test_a_variable_that_kubernetes_does_not_set_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """A person's variable that only resembles those of Kubernetes is refused."""
    file.touch()
    monkeypatch.setenv(variable, value)
    assert f"There is no setting for the environment variable {variable}." in refusal(file)


SERVICES = {
    "an ordinary user": ({}, False),
    "a desktop terminal or a CI runner": ({"INVOCATION_ID": "5561c530", "JOURNAL_STREAM": "8:13520"}, False),
    "a service with a folder for its state": ({"STATE_DIRECTORY": "/var/lib/kt"}, True),
    "a service with a folder for its settings": ({"CONFIGURATION_DIRECTORY": "/etc/kt"}, True),
}


@pytest.mark.parametrize(("variables", "is_service"), SERVICES.values(), ids=SERVICES)
def test_who_is_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, is_service: bool
) -> None:
    """Only root and a process with a folder from systemd are services; INVOCATION_ID is inherited by every shell."""
    for name in ("KEYTURN_CONFIG", "KEYTURN_DATA", *variables, "CONFIGURATION_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    settings = load(new=True)
    own = [place.is_relative_to(tmp_path) for place in (settings.config_file, settings.data)]
    assert [not is_service] * 2 == own


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_the_file_is_utf8(file: Path, encoding: str) -> None:
    """The file is read as UTF-8 in any locale, also with a byte order mark."""
    file.write_text("# Schlüssel ✓\n[worker]\nthreads = 3\n", encoding=encoding)
    assert 3 == load(file).worker.threads


@pytest.mark.parametrize(
    "content", ["# Schl\xfcssel".encode("latin-1"), b"x = " + b"[" * 20_000, b"\xff\xfe[", b"x = " + b"9" * 5000]
)
def test_what_is_no_toml_is_named(file: Path, content: bytes) -> None:
    """A file in another encoding, or of 20,000 brackets, or with a number of 5,000 digits, is refused with its name."""
    file.write_bytes(content)
    assert refusal(file).startswith(f"{file} is not valid TOML: ")


def test_the_consoles_key_is_private(file: Path) -> None:
    """The key of the console's certificate is among the files that others must not read."""
    file.write_text("[console]\ntls_key = '/etc/keyturn/console.key'\n")
    assert Path("/etc/keyturn/console.key") in load(file).private


@pytest.mark.parametrize(
    ("given", "expected"), [('["a", "b, c"]', ("a", "b, c")), ("cn=a,ou=b", ("cn=a,ou=b",)), ("", ()), ("[]", ())]
)
def test_a_list_in_a_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch, given: str, expected: tuple[str, ...]
) -> None:
    """A variable has a list as JSON, or one string as it is."""
    file.touch()
    monkeypatch.setenv("KEYTURN_OPENID__OPERATORS", given)
    assert expected == load(file).openid.operators


@pytest.mark.parametrize("given", ["[", "[1]", "[" * 100_000])
def test_a_variable_that_is_no_list(file: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    """What begins like a list and is none is refused."""
    file.touch()
    monkeypatch.setenv("KEYTURN_OPENID__OPERATORS", given)
    assert "KEYTURN_OPENID__OPERATORS must be a list of strings" in refusal(file)


@pytest.mark.parametrize(("given", "expected"), [("[60, 7]", (60, 7)), ("[]", ()), ("", ())])
def test_the_days_before_expiry_in_a_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch, given: str, expected: tuple[int, ...]
) -> None:
    """A variable has the list as JSON; an empty one means none."""
    file.touch()
    monkeypatch.setenv("KEYTURN_ALERTS__EXPIRING", given)
    assert expected == load(file).alerts.expiring


@pytest.mark.parametrize("given", ["30", "0", "false", "[0]", "[1001]", "['soon']", "[1.5]"])
def test_days_before_expiry_that_are_none(file: Path, given: str) -> None:
    """What is no list of days is refused with one that is."""
    file.write_text(f"[alerts]\nexpiring = {given}\n")
    assert f"{file}: alerts.expiring must be a list of days from 1 to 1000 such as [30, 7]." == refusal(file)


ROUTES = {
    "webhook = 'http://alerts.example.com/t0ken'": "oncall.webhook: It is neither https nor plain http to a loopback",
    "webhook = 'https://alerts.example.com/t0ken'": "oncall: A webhook needs a secret_file.",
    "mail_server = 'smtps://mail.example.com:t0ken'": "oncall.mail_server: It is not smtps://HOST or smtp://HOST.",
    "recipients = ['t0ken']": "oncall.recipients: One of them is no mail address, such as ada@example.com.",
    "webhok = 't0ken'": "there is no setting alerts.routes.oncall.webhok.",
    "connections = 't0ken'": "alerts.routes must be tables such as [alerts.routes.operators]",
}


@pytest.mark.parametrize(("text", "expected"), ROUTES.items())
def test_a_wrong_route_is_named_with_what_is_wrong(file: Path, text: str, expected: str) -> None:
    """The sentence names the route and the rule, and does not repeat the value: it may be a secret in a wrong place."""
    file.write_text(f"[alerts.routes.oncall]\n{text}\n")
    found = refusal(file)
    assert expected in found
    assert "t0ken" not in found


def test_a_wrong_route_of_the_environment_names_the_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its JSON has the same rules."""
    file.touch()
    monkeypatch.setenv("KEYTURN_ALERTS__ROUTES", '{"oncall": {"least": "loud"}}')
    assert "KEYTURN_ALERTS__ROUTES.oncall.least: It is not warning, error or critical." == refusal(file)
