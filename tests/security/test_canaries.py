"""No secret ever shows: not in what a command prints or logs, not in the database, not in any file or process.

Every secret is known here and looked for in every usual writing (leaks.py). Logs are looked at before anything in them
is hidden, and with the debug lines of the libraries below.
"""

import base64
import binascii
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

import cyclopts
import pytest
import requests
from acceptance.terminal import NAME, command
from security.stage import Serve, Stage

from orchestrator.adapters.keys import VaultKeys
from orchestrator.adapters.netsuite_token import NetSuiteTokens
from orchestrator.cli import application
from persistence.vault import Vault
from simulator import Fault
from simulator.server import Delivery, Reply, Request

PATIENCE = 60

IN_PROCESS = {
    "init",
    "connection add",
    "connection edit",
    "connection list",
    "connection show",
    "rotate",
    "rotation explain",
    "rotation resume",
    "rotation confirm",
    "rotation abandon",
    "rotation restore",
    "rotation adopt",
    "rotation list",
    "rotation show",
    "rotation journal",
    "rotation watch",
    "health",
    "needs-rotation",
    "request verify",
    "doctor",
    "diagram",
    "run-due",
    "journal verify",
    "vault rewrap",
}
"""The commands of test_every_command."""
PROCESSES = {"demo", "worker", "simulator"}
"""The commands that run for long or start others; each has a test of its own."""


def leaves(app: cyclopts.App, before: str = "") -> Iterator[str]:
    """Every command that does something."""
    for name in app:
        if not name.startswith("-"):
            yield from list(leaves(app[name], f"{before}{name} ")) or [before + name]


def test_no_command_is_left_out() -> None:
    """Each command of `keyturn` is one of those whose output is searched below: a new one fails here first."""
    assert IN_PROCESS | PROCESSES == set(leaves(application.build()))


@pytest.mark.parametrize("form", ["table", "json", "name"])
def test_every_command(play: Stage, form: str) -> None:
    """A whole life with every command, in each form of output, with all logs: nothing of any secret shows."""
    used: set[str] = set()

    def run(*arguments: object, given: str = "") -> str:
        words = [str(argument) for argument in arguments]
        used.update(known for known in IN_PROCESS if known.split() == words[: len(known.split())])
        exit_code, out, err = play(*words, "--yes", "--verbose", "--output", form, given=given)
        assert exit_code in (0, 3), out + err
        return out

    run("init")
    run("connection", "edit", NAME, "--days", "90")
    run("connection", "edit", NAME, "--openair-api-key-file", "-", given=play.simulator.credentials.api_key)
    password = str(play.folder / "given" / "openair-password-file")
    play.add(
        "other",
        **{
            "openair-client-id": None,
            "openair-user": "keyturn",
            "openair-company": play.simulator.credentials.company,
            "openair-password-file": password,
        },
    )
    used.add("connection add")
    run("connection", "list")
    run("connection", "show", NAME)
    run("rotate", NAME, "--reason", "a first one")
    first = play.rotation()["id"]
    play.simulator.imports.send()
    for arguments in (
        ("rotation", "list"),
        ("rotation", "show", first),
        ("rotation", "journal", first),
        ("rotation", "watch", first),
        ("rotation", "explain", first, "--live"),
        ("health",),
        ("doctor",),
        ("diagram", first),
        ("journal", "verify"),
        ("request", "verify", play.simulator.imports.counts().last_url, "--connection", NAME),
    ):
        run(*arguments)
    play("needs-rotation", NAME, "--output", form)
    used.add("needs-rotation")
    _adopted_and_restored(play, run)
    _resumed_abandoned_and_confirmed(play, run)
    new = play.folder / "data" / "kek"
    new.touch(mode=0o600)
    new.write_text(base64.b64encode(os.urandom(32)).decode())
    run("vault", "rewrap", new)
    new.replace(play.config / "kek")
    run("run-due")
    assert IN_PROCESS == used
    play.assert_nothing_leaked()


def _adopted_and_restored(play: Stage, run: Callable[..., str]) -> None:
    record = play.simulator.netsuite.record
    record.reset("foreign")
    play("rotate", NAME, "--verbose")  # exits as what parked it tells
    assert record.held
    play.simulator.openair.settings.save_outside(record.held.pair.certificate_pem())
    run("rotation", "adopt", play.rotation()["id"])
    run("rotate", NAME)
    play.simulator.faults.add(Fault("openair.api", "401", action="Modify", times=None))
    play("rotate", NAME, "--verbose")
    play.simulator.faults.clear()
    run("rotation", "restore", play.rotation()["id"])
    play.alter("UPDATE rotations SET in_flight_until = NULL")  # or what follows would be held off for minutes


def _resumed_abandoned_and_confirmed(play: Stage, run: Callable[..., str]) -> None:
    play.simulator.netsuite.record.reset("missing")
    run("rotate", NAME)
    run("rotation", "resume", play.rotation()["id"])
    run("rotation", "abandon", play.rotation()["id"])
    run("rotate", NAME)
    run("rotation", "resume", play.rotation()["id"], "--create-record")
    by_api = ("url", "namespace", "client-id", "api-key-file", "client-secret-file", "refresh-token-file")
    play.add("handed", **{f"openair-{option}": None for option in by_api}, **{"openair-export": ""})
    run("rotate", "handed")
    handed = play.rotation("handed")
    run("rotation", "confirm", handed["id"], "--fingerprint", handed["candidate"]["fingerprint"])


# --- when something is wrong ------------------------------------------------------------------------------------------

TROUBLE = {
    "netsuite.token": ("throttle", "500", "401", "403", "302", "reset", "html", "truncate"),
    "netsuite.restlet": ("throttle", "error", "503", "401", "403", "302", "reset", "html", "truncate"),
    "openair.token": ("throttle", "500", "401", "302", "html"),
    "openair.api": ("throttle", "error", "503", "401", "403", "302", "reset", "html", "truncate"),
}


@pytest.mark.parametrize(("endpoint", "kinds"), TROUBLE.items(), ids=TROUBLE)
def test_every_trouble(play: Stage, endpoint: str, kinds: tuple[str, ...]) -> None:
    """Whatever way a system fails, before and after a certificate was put in place."""
    for kind in kinds:
        play.simulator.openair.revoke_tokens()
        play.simulator.netsuite.revoke_tokens()
        play.simulator.faults.add(Fault(endpoint, kind, times=3))
        play("doctor", NAME, "-o", "json")
        play.simulator.faults.add(Fault(endpoint, kind, skip=1, times=None))
        play.go_on()
        play("rotation", "explain", play.rotation()["id"])
        play.simulator.faults.clear()
    play.assert_nothing_leaked()


def _pieces(text: str) -> str:
    return " ".join(text[at : at + 30] for at in range(0, len(text), 30))


ECHOES: Mapping[str, Callable[[str], str]] = {
    "as it came": str,
    "in Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "as a URL": lambda text: quote(text, safe=""),
    "in pieces": _pieces,
    "without its beginning": lambda text: text[len(text) // 2 :],
    "escaped again": lambda text: json.dumps(json.dumps(text)),
}


def _all_of(request: Request) -> Iterator[str]:
    """What a request carried, part by part, as a careless system might repeat it."""
    sent = request.headers.get("authorization", "").partition(" ")[2]
    yield sent
    with suppress(binascii.Error, UnicodeDecodeError):
        yield base64.b64decode(sent, validate=True).decode().partition(":")[2]
    yield request.body.decode()
    yield from request.form().values()
    with suppress(ValueError):
        yield str(json.loads(request.body).get("pem", "")).partition("-----BEGIN PRIVATE KEY-----")[2]


def _echoing(only: str) -> Callable[[Serve], Serve]:
    """Answers calls in the system's own format of errors, with one part of the request after the other in all of it."""
    count = itertools.count()
    disguises = itertools.cycle(ECHOES.values())

    def wrap(serve: Serve) -> Serve:
        def answer(path: str, request: Request) -> Delivery:
            number = next(count)
            proper = serve(path, request)
            if only not in path or number % 3 == 0:  # some calls succeed, so that the later ones are reached at all
                return proper
            parts = [part for part in _all_of(request) if part]
            return Delivery(_error(path, next(disguises)(parts[number % len(parts)]), number))

        return answer

    return wrap


def _error(path: str, told: str, number: int) -> Reply:
    headers = (("WWW-Authenticate", f'Bearer error="{told[:300]}"'.replace("\n", " ")),)
    status = (400, 401, 403, 200)[number % 4]
    if path.endswith("/token"):
        content = {"error": "invalid_grant", "error_description": told}
        return Reply(status, json.dumps(content).encode(), headers=headers)
    if path.endswith("restlet.nl"):
        inner = json.dumps({"type": "error.SuiteScriptError", "name": told[:99], "message": told, "stack": [told]})
        message = inner if number % 2 else told
        return Reply(status, json.dumps({"error": {"code": told[:99], "message": message}}).encode(), headers=headers)
    body = f'<response><Auth status="0"/><Read status={quoteattr(told)}>{escape(told)}</Read></response>'
    return Reply(200, body.encode(errors="replace"), "text/xml", headers)


@pytest.mark.parametrize("only", ["auth/oauth2", "restlet.nl", "login/oauth2", "api.pl"])
def test_systems_that_echo(play: Stage, only: str) -> None:
    """A system that puts what it was sent into its error messages does not make Keyturn tell it on."""
    wrap = _echoing(only)
    for system in (play.simulator.netsuite, play.simulator.openair):
        play.through(system, wrap)
    for _ in range(5):
        play("doctor", NAME)
        play("health", NAME)
        play.go_on()
        play("rotation", "explain", play.rotation()["id"])
    play.assert_nothing_leaked()


@pytest.mark.parametrize("how", ["missing", "wrong", "no key", "open to others"])
def test_wrong_key(play: Stage, how: str) -> None:
    """Without the right key-encryption key, whatever stands in its place is not told."""
    play("rotate", NAME, "--detach")
    file = play.config / "kek"
    right = file.read_text()
    if how == "open to others":
        file.chmod(0o644)
    else:
        file.unlink()
    if how in ("wrong", "no key"):
        file.touch(mode=0o600)
        file.write_text(wrong := base64.b64encode(os.urandom(32 if how == "wrong" else 40)).decode())
        play.known.add("the wrong key", wrong)
    for words in (("doctor",), ("run-due",), ("rotation", "explain", play.rotation()["id"]), ("vault", "rewrap", file)):
        play(*words, "--yes", "--verbose")
    file.chmod(0o600) if file.exists() else file.touch(mode=0o600)
    file.write_text(right)
    play.assert_nothing_leaked()


@pytest.mark.parametrize("where", ["secrets SET sealed", "certificates SET sealed_key", "datakeys SET wrapped"])
@pytest.mark.parametrize("what", ["zeroblob(99)", "{0} || x'00'", "substr({0}, 1, 20)"])
def test_corrupt_seals(play: Stage, where: str, what: str) -> None:
    """A seal that was spoilt, longer or shorter than it was, shows nothing of what it held."""
    play.simulator.netsuite.record.reset("missing")
    play("rotate", NAME)
    play.learn_what_is_sealed()
    column = where.rsplit(maxsplit=1)[-1]
    play.alter(f"UPDATE {where} = CAST({what.format(column)} AS BLOB) WHERE {column} IS NOT NULL")
    rotation = play.rotation()["id"]
    for words in (("doctor",), ("rotation", "resume", rotation), ("rotation", "abandon", rotation), ("health",)):
        play(*words, "--yes", "--verbose", "-o", "json")
    play.assert_nothing_leaked(sealed=False)


def test_bad_input(play: Stage) -> None:
    """Secrets that are malformed, come in the wrong place, or with mistakes beside them, are not quoted."""
    given = play.folder / "given"
    spoilt = given / "spoilt"
    pem = (given / "netsuite-key-file").read_text()
    secret = base64.b85encode(os.urandom(30)).decode()
    play.known.add("what was mistyped", secret)
    for text in (pem[: len(pem) // 2], pem.replace("BEGIN", "BEGINN"), f"{pem[:60]}{secret}{pem[90:]}", secret):
        spoilt.write_text(text)
        play("connection", "edit", NAME, "--netsuite-key-file", spoilt, "-o", "json")
        play("connection", "edit", NAME, "--netsuite-key-file", "-", given=text)
        play("vault", "rewrap", spoilt, "--yes")
        play("--config", spoilt, "health")
    play("connection", "edit", NAME, "--openair-password-file", "-", "--days", "3", given=secret)
    play("request", "verify", f"https://example.com/netsuite.pl?signature={quote(secret)}", "--connection", NAME)
    for url in (f"https://u:{secret}@example.com", f"https://example.com/?key={secret}"):
        play("connection", "edit", NAME, "--openair-url", url)
    play.assert_nothing_leaked()


@pytest.mark.parametrize(
    "url", ["postgresql://keyturn:{}@127.0.0.1:9/keyturn", "postgresql://u:{}@@h:x/d", "mysql://u:{}@h"]
)
def test_database_password(play: Stage, url: str) -> None:
    """The password in a database's URL is not told when the database is away, or the URL makes no sense."""
    secret = os.urandom(12).hex()
    play.known.add("the database's password", secret)
    for text in (secret, f"{secret}@{secret}", f"{secret}/{secret}"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KEYTURN_STORE__URL", url.format(text))
            for words in (("doctor",), ("health",), ("init",), ("worker",)):
                assert 0 != play(*words, "--verbose")[0]
    play.config.joinpath("keyturn.toml").write_text(f'[store]\nurl = "{secret}\n')
    assert 2 == play("health")[0]
    play.assert_nothing_leaked(sealed=False, files=False)


@pytest.mark.parametrize("broken", [requests.Session.post, Vault.open, NetSuiteTokens._assertion, VaultKeys.generate])
def test_our_own_mistakes(play: Stage, broken: Callable[..., object]) -> None:
    """A traceback, logged in full, tells lines and not values: in a step, in a command, and in a worker's thread."""
    owner = {"Session": requests.Session, "Vault": Vault, "NetSuiteTokens": NetSuiteTokens, "VaultKeys": VaultKeys}

    def breaks(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    name, _, method = broken.__qualname__.partition(".")
    play.monkeypatch.setattr(owner[name], method, breaks)
    for words in (("rotate", NAME), ("health", NAME), ("doctor",), ("run-due",)):
        play(*words, "--verbose")
    play.monkeypatch.undo()
    assert any(b"ZeroDivisionError" in what for _, what in play.said)


# --- processes --------------------------------------------------------------------------------------------------------


def _environment(play: Stage) -> dict[str, str]:
    """The test's own, in which Python complains about everything; temporary files are kept together."""
    (play.folder / "temporary").mkdir(mode=0o700, exist_ok=True)
    talkative = {"PYTHONDEVMODE": "1", "PYTHONFAULTHANDLER": "1"}
    return {**os.environ, **talkative, "TMPDIR": str(play.folder / "temporary"), "KEYTURN_WORKER__LEASE": "1"}


def _look_at(play: Stage, pid: int) -> None:
    """What anybody sees of a process and its children, their command lines, and what their user sees: environments."""
    for each in (pid, *_children(pid)):
        with suppress(FileNotFoundError, ProcessLookupError):
            play.say(f"the command line of {each}", Path(f"/proc/{each}/cmdline").read_bytes())
            play.say(f"the environment of {each}", Path(f"/proc/{each}/environ").read_bytes())


def _children(pid: int) -> list[int]:
    return [int(status.parent.name) for status in Path("/proc").glob("[0-9]*/status") if _parent(status) == pid]


def _is_worker(pid: int) -> bool:
    """Whether it is a worker by now; a moment before, a child still is what its parent is."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0worker\0")
    return False


def _parent(status: Path) -> int:
    with suppress(OSError):  # it ended meanwhile
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("PPid:"))
    return 0


def _end(play: Stage, process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    out, err = process.communicate(timeout=PATIENCE)
    play.say(f"a process that ended by {how.name}", out + err)
    if how is signal.SIGABRT:
        assert "Fatal Python error" in err
        assert "in install" in err


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGTERM, signal.SIGKILL])
def test_worker(play: Stage, how: signal.Signals) -> None:
    """A worker in the middle of an upload: its command line, environment and files; and its dump when it crashes."""
    play.simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="before", seconds=2))
    play("rotate", NAME, "--detach")
    environment = _environment(play)
    worker = subprocess.Popen(
        command("worker"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        _until(lambda: not play.simulator.faults.pending())
        _look_at(play, worker.pid)
        play.look_at_the_database("the database in the middle of a step")
        _end(play, worker, how)
    finally:
        worker.kill()
        worker.communicate()
    play.assert_nothing_leaked(play.folder / "temporary")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
def test_demo(play: Stage) -> None:
    """The demo's workers do not inherit the key of whoever runs it; its folder and log hold nothing in the clear."""
    environment = {**_environment(play), "KEYTURN_KEK": base64.b64encode(os.urandom(32)).decode()}
    play.known.add("the user's own key", environment["KEYTURN_KEK"])
    words = command("demo", "--keep", "-o", "json")
    demo = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _until(lambda: any(_is_worker(child) for child in _children(demo.pid)))
        for child in filter(_is_worker, _children(demo.pid)):
            _look_at(play, child)
        out, err = demo.communicate(timeout=PATIENCE)
    finally:
        demo.kill()
        demo.communicate()
    play.say("the demo", out + err)
    folder = Path(json.loads(out)["folder"])
    play.monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(folder / "config"))
    play.monkeypatch.setenv("KEYTURN_DATA", str(folder / "data"))
    replace(play, folder=folder).assert_nothing_leaked(folder)


def test_simulator(play: Stage) -> None:
    """`keyturn simulator` prints where the stand-ins' secrets are, and none of them; files it makes go with it."""
    environment = _environment(play)
    words = command("simulator", "-o", "json", "--verbose")
    running = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout
        told = ""
        while not told.endswith("}\n"):
            told += running.stdout.readline()
        play.say("the simulator", told)
        credentials = Path(next(iter(json.loads(told)["credentials"].values())))
        for name, value in json.loads(credentials.read_text()).items():
            if name in ("openair_client_secret", "refresh_token", "password", "api_key"):
                play.known.add(name, value)
        play.known.add_key("the sign-in key", credentials.with_name("netsuite-key.pem").read_text())
        _look_at(play, running.pid)
        _end(play, running, signal.SIGTERM)
    finally:
        running.kill()
        running.communicate()
    assert [] == list((play.folder / "temporary").iterdir())
    play.assert_nothing_leaked()


def _until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
