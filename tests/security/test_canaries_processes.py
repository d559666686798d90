"""No secret appears in a process's command line, environment, temporary files or dump."""

import base64
import json
import logging
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from acceptance.consent import consented
from acceptance.installed_keyturn import NAME, command
from security.known_secrets import ACCOUNTS, SearchedKeyturn
from support.api import PREFIX, Program
from support.console import RunningConsole
from support.openid import SECRET, at_provider, begin, come_back, running_provider, use
from support.openid_lies import claims, repeating
from support.polling import WAIT_LIMIT, until

from orchestrator.api.access import ROUTES
from simulator import Fault


def _environment(keyturn: SearchedKeyturn) -> dict[str, str]:
    """Return the test's environment with Python's debug modes and a folder for temporary files."""
    (keyturn.folder / "temporary").mkdir(mode=0o700, exist_ok=True)
    debug_modes = {"PYTHONDEVMODE": "1", "PYTHONFAULTHANDLER": "1"}
    return {**os.environ, **debug_modes, "TMPDIR": str(keyturn.folder / "temporary")}


def _record_process(keyturn: SearchedKeyturn, pid: int) -> None:
    """Record the command lines of a process and its children, which all users see, and their environments."""
    for each in (pid, *_children(pid)):
        with suppress(FileNotFoundError, ProcessLookupError):
            keyturn.record_output(f"the command line of {each}", Path(f"/proc/{each}/cmdline").read_bytes())
            keyturn.record_output(f"the environment of {each}", Path(f"/proc/{each}/environ").read_bytes())


def _children(pid: int) -> list[int]:
    return [int(status.parent.name) for status in Path("/proc").glob("[0-9]*/status") if _parent(status) == pid]


def _is_worker(pid: int) -> bool:
    """Return whether the process is a worker yet: between fork and exec, a child has its parent's command line."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0worker\0")
    return False


def _parent(status: Path) -> int:
    with suppress(OSError):  # the process has ended
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("PPid:"))
    return 0


def _end(keyturn: SearchedKeyturn, process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    out, err = process.communicate(timeout=WAIT_LIMIT)
    keyturn.record_output(f"a process that ended by {how.name}", out + err)
    if how is signal.SIGABRT:
        assert "Fatal Python error" in err
        assert "in install" in err


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGTERM, signal.SIGKILL])
def test_worker(keyturn: SearchedKeyturn, how: signal.Signals) -> None:
    """A worker in the middle of an upload shows no secret, also not in its dump when it crashes."""
    keyturn.simulator.faults.add(Fault("netsuite.restlet", "delay", action="install", when="before", seconds=2))
    keyturn("rotate", NAME, "--detach")
    environment = _environment(keyturn)
    worker = subprocess.Popen(
        command("worker"), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: not keyturn.simulator.faults.pending())
        _record_process(keyturn, worker.pid)
        keyturn.record_database("the database in the middle of a step")
        _end(keyturn, worker, how)
    finally:
        worker.kill()
        worker.communicate()
    keyturn.assert_nothing_leaked(keyturn.folder / "temporary")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")
def test_demo(keyturn: SearchedKeyturn) -> None:
    """The demo's workers do not inherit the user's key, and its folder and log hold no secret."""
    environment = {**_environment(keyturn), "KEYTURN_KEK": base64.b64encode(os.urandom(32)).decode()}
    keyturn.known.add("the user's own key", environment["KEYTURN_KEK"])
    words = command("demo", "--keep", "-o", "json")
    demo = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: any(_is_worker(child) for child in _children(demo.pid)))
        for child in filter(_is_worker, _children(demo.pid)):
            _record_process(keyturn, child)
        out, err = demo.communicate(timeout=WAIT_LIMIT)
    finally:
        demo.kill()
        demo.communicate()
    keyturn.record_output("the demo", out + err)
    folder = Path(json.loads(out)["folder"])
    keyturn.monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(folder / "config"))
    keyturn.monkeypatch.setenv("KEYTURN_DATA", str(folder / "data"))
    replace(keyturn, folder=folder).assert_nothing_leaked(folder)


def test_simulator(keyturn: SearchedKeyturn) -> None:
    """`keyturn simulator` prints where its secrets are, but none of them, and removes its files when it ends."""
    environment = _environment(keyturn)
    words = command("simulator", "-o", "json", "--verbose")
    running = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout
        printed = ""
        while not printed.endswith("}\n"):
            printed += running.stdout.readline()
        keyturn.record_output("the simulator", printed)
        credentials = Path(next(iter(json.loads(printed)["credentials"].values())))
        for name, value in json.loads(credentials.read_text()).items():
            if name in ("openair_client_secret", "refresh_token", "password", "api_key"):
                keyturn.known.add(name, value)
        keyturn.known.add_key("the sign-in key", credentials.with_name("netsuite-key.pem").read_text())
        _record_process(keyturn, running.pid)
        _end(keyturn, running, signal.SIGTERM)
    finally:
        running.kill()
        running.communicate()
    assert [] == list((keyturn.folder / "temporary").iterdir())
    keyturn.assert_nothing_leaked()


@pytest.mark.parametrize("how", ["received", "pasted"])
def test_authorize(keyturn: SearchedKeyturn, how: str) -> None:
    """A consent prints and logs neither the code that comes back, nor the tokens that OpenAir grants for it."""
    keyturn.learn_secrets_in_transit()
    words = ["connection", "authorize", NAME, "--verbose", *(["--paste"] if how == "pasted" else [])]
    done = consented(_environment(keyturn), *words)
    assert 0 == done.returncode, done.stderr
    keyturn.record_output("connection authorize", done.stdout + done.stderr)
    keyturn.assert_nothing_leaked(keyturn.folder / "temporary")


def test_console(keyturn: SearchedKeyturn) -> None:
    """No page, header or log of the console has a secret, nor an answer of the API, with a rotation in an outage, one
    that is resumed and one that is restored; nor is the one-time link logged, nor the API's token. It ends by SIGTERM
    with the code of a command that is done.
    """
    keyturn.learn_secrets_in_transit()
    keyturn("rotate", NAME)
    for action in ("Add", "Modify"):
        keyturn.simulator.faults.add(Fault("openair.api", "error", action=action, code="602", times=None))
    keyturn("rotate", NAME)
    parked = keyturn.rotation()
    _, secret, _ = keyturn("token", "add", "nightly", "--role", "administrator", "--output", "name")
    with _console(keyturn) as (console, process):
        console.sign_in()
        _record_process(keyturn, process.pid)
        _record_pages(keyturn, console, parked["id"])
        _record_api(keyturn, Program(console.port, secret.strip()), parked["id"])
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=WAIT_LIMIT)
    keyturn.record_output("the console", out + err)
    assert (0, False, False) == (process.returncode, console.token in err, secret.strip() in out + err)
    keyturn.assert_nothing_leaked(keyturn.folder / "temporary")


def test_console_with_openid(keyturn: SearchedKeyturn) -> None:
    """A console with an OpenID provider shows and logs no client secret, and no code, token, state or cookie of a
    sign-in that succeeds, of one that the provider refuses while it repeats what it was sent, or of one with a lie.
    """
    logging.getLogger("urllib3.connectionpool").disabled = True  # of this test's own browser
    with running_provider() as provider, keyturn.monkeypatch.context() as settings:
        use(settings, keyturn.folder, provider)
        keyturn.known.add("the client's secret", SECRET)
        keyturn("doctor", "--verbose")
        try:
            with _console(keyturn) as (console, process):
                for lie in (lambda _: None, repeating, claims(nonce="another")):
                    provider.be_honest()
                    lie(provider)
                    _sign_in(keyturn, console)
                _record_process(keyturn, process.pid)
                process.send_signal(signal.SIGTERM)
                out, err = process.communicate(timeout=WAIT_LIMIT)
        finally:
            logging.getLogger("urllib3.connectionpool").disabled = False
        for number, issued in enumerate(provider.issued):
            keyturn.known.add(f"what the provider issued ({number})", issued)
    keyturn.record_output("the console", out + err)
    assert ("signed in" in err, err.count("sign-in refused")) == (True, 2)
    keyturn.assert_nothing_leaked(keyturn.folder / "temporary")


@contextmanager
def _console(keyturn: SearchedKeyturn) -> Iterator[tuple[RunningConsole, subprocess.Popen[str]]]:
    """A process that serves the console, and a browser of it; killed at the end, unless it has ended by then."""
    process = subprocess.Popen(
        command("console", "--port", "0", "-o", "json", "--verbose"),
        env=_environment(keyturn),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        started = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
        console = RunningConsole(started["port"], started["link"])
        with console.http:
            console.http.trust_env = False
            yield console, process
    finally:
        process.kill()
        process.communicate()


def _sign_in(keyturn: SearchedKeyturn, console: RunningConsole) -> None:
    address = begin(console)
    keyturn.known.add("the cookie of a sign-in", str(console.http.headers["Cookie"]).partition("=")[2])
    keyturn.known.add("a state", dict(parse_qsl(urlsplit(address).query))["state"])
    answer = come_back(console, at_provider(address))
    if cookie := answer.headers.get("set-cookie"):
        keyturn.known.add("the cookie of a session", cookie.partition(";")[0].partition("=")[2])
        console.http.headers["Cookie"] = cookie.partition(";")[0]
        keyturn.record_output("the overview", console.get("/").text)
    keyturn.record_output("an answer", answer.text)
    keyturn.record_database("the database after a sign-in")


def _record_pages(keyturn: SearchedKeyturn, console: RunningConsole, rotation: str) -> None:
    """Open every page, and let the forms of two verbs do their work."""
    verbs = ("park", "resume", "restore", "adopt", "abandon", "confirm", "begin", "carry", "withdraw")
    for path in (
        *("/", "/connections", f"/connections/{NAME}?ask=1", f"/connections/{NAME}/rotate", "/rotations"),
        *(f"/rotations/{rotation}?ask=1", *(f"/rotations/{rotation}/{verb}" for verb in verbs)),
        *(f"/rotations/{rotation}/json", "/request", "/rotations?q=%00", "/nowhere", "/sign-in"),
    ):
        _record_answer(keyturn, path, console.get(path))
    for verb in ("resume", "park", "restore"):
        page = console.get(f"/rotations/{rotation}/{verb}")
        seen = re.search(r'name="version" value="(\d+)"', page.text)
        assert seen, page.text
        done = console.post(f"/rotations/{rotation}/{verb}", {"version": seen[1], "reason": "x"})
        assert HTTPStatus.SEE_OTHER == done.status_code
        _record_answer(keyturn, verb, done)


def _record_api(keyturn: SearchedKeyturn, program: Program, rotation: str) -> None:
    """Ask every route of the API, as it is and malformed."""
    names = {"rotation": rotation, "name": NAME, "token": "none"}
    body = {"reason": "x", "fingerprint": "00"}
    for method, route in sorted(ROUTES):
        path = route.removeprefix(PREFIX).format(**names)
        for query in ("", "?dry_run=true", "?nonsense=1"):
            # A stream of all rotations goes on for ever.
            asked = f"{path}?follow=false" if path == "/events" and not query else path + query
            answer = program.ask(method, asked, body if method == "POST" else None, If_Match='"1"')
            assert HTTPStatus.INTERNAL_SERVER_ERROR != answer.status_code
            _record_answer(keyturn, f"{method} {path}{query}", answer)
    for file in sorted((keyturn.folder / f"given-{ACCOUNTS[0]}").iterdir()):
        secret, path = file.read_text(), f"/connections/{NAME}"
        for body in (
            {"secrets": {"openair_password": secret}},
            {secret: 1},
            {"netsuite": secret},
            {"bundles": {secret: 1}},
        ):
            _record_answer(keyturn, file.name, program.ask("PATCH", path, body, If_Match=program.tag(path)))
            _record_answer(keyturn, file.name, program.ask("POST", "/connections", {"name": "beta", **body}))
    for verb in ("resume", "park", "resume"):
        path = f"/rotations/{rotation}"
        answer = program.ask("POST", f"{path}/{verb}", {"reason": "x"}, If_Match=program.tag(path))
        _record_answer(keyturn, verb, answer)


def _record_answer(keyturn: SearchedKeyturn, source: str, answer: requests.Response) -> None:
    keyturn.record_output(source, f"{answer.headers}\n{answer.text}")
