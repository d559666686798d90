"""The console and the API over a large store: pages, reads, open streams and rest, next to a bare route of the same
framework.
"""

import argparse
import asyncio
import http.client
import json
import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from figures import print_figure, print_machine
from scale import multiply, multiply_connections

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import pytest
from support.environment import NAME, connect, keyturn
from support.stores import authenticate

from orchestrator.bootstrap import Keyturn
from simulator import Simulator
from states.access import Role

COMMAND = str(Path(sys.executable).with_name("keyturn"))
BARE = """
import socket, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def bare(): return {"alive": True}
listener = socket.create_server(("127.0.0.1", 0))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, http="h11", log_config=None, access_log=False)).run([listener])
"""
LATEST = """
UPDATE connections SET latest_rotation = (SELECT max(id) FROM rotations WHERE connection = connections.name)
WHERE name <> 'acme'
"""
"""Without it each copied connection would count as one that was changed outside Keyturn."""
ASSET = re.compile(rb'(?:src|href)="(/assets/[^"]+)"')
EVENT = b"event: journal"
PAGES = ("/", "/connections", "/connections?q=c00", "/connections/{name}", "/rotations", "/rotations/{id}", "/journal")
READS = (
    *("/status", "/connections", "/connections/{name}", "/rotations", "/rotations?only=parked", "/rotations/{id}"),
    *("/rotations/{id}/journal", "/journal", "/events?follow=false"),
)
TIME_LIMIT = 120.0
"""Seconds after which a stream counts as hung."""
KILO = 1000


class Client:
    """One kept connection to a server on loopback."""

    def __init__(self, port: int) -> None:
        self.headers: dict[str, str] = {}
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=TIME_LIMIT)

    def get(self, path: str) -> bytes:
        """What is at ``path``."""
        self.http.request("GET", path, headers=self.headers)
        answer = self.http.getresponse()
        content = answer.read()
        assert answer.status == http.HTTPStatus.OK, f"{path}: {answer.status}"
        return content

    def sign_in(self, link: str) -> None:
        """Sign in as a person, with the link that the console printed."""
        form = urlencode({"token": parse_qs(urlsplit(link).query)["token"][0]})
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        self.http.request("POST", "/sign-in", form, kind)
        answer = self.http.getresponse()
        answer.read()
        self.headers["Cookie"] = (answer.getheader("set-cookie") or "").partition(";")[0]


@contextmanager
def large(connections: int, rotations: int) -> Iterator[tuple[Keyturn, str]]:
    """A Keyturn with so many connections and completed rotations, and the id of one that it carried itself."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        tempfile.TemporaryDirectory() as folder,
        Simulator() as simulator,
        keyturn(Path(folder), monkeypatch) as app,
    ):
        connect(app, simulator.credentials)
        _, claim = app.rotations.request_and_claim(NAME, actor="benchmark")
        assert claim
        with app.engine() as engine:
            done = engine.run(claim)
        file = Path(folder) / "data" / "keyturn.db"
        app.store.close()
        multiply_connections(file, connections, NAME)
        owner = f"printf('c%07d', 1 + n % {connections})"
        multiply(file, "rotations", rotations, "1", id="printf('01%024d', n)", connection=owner, follows="NULL")
        copied = {"rotation_id": "printf('01%024d', n)", "commit_number": "0"}
        multiply(file, "journal", rotations, f"rotation_id = '{done.id}'", **copied)
        with sqlite3.connect(file) as database:
            database.execute(LATEST)
        database.close()
        authenticate(app.store)
        assert len(list(app.connections.all())) == connections + 1
        yield app, done.id


@contextmanager
def serving(words: Sequence[str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server as a process of its own, and the first line that it prints."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        yield process, process.stdout.readline()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def p95_ms(ask: Callable[[], object], repeats: int) -> float:
    """How long it takes to answer, at the client: 95 % of the answers take no longer."""
    ask()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return percentile(times, 95)


def percentile(times: Sequence[float], percent: int) -> float:
    """The value that so many of 100 do not exceed."""
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1] if len(times) > 1 else times[0]


def with_assets(client: Client, page: bytes) -> int:
    """The bytes of a page with everything that it loads."""
    return len(page) + sum(len(client.get(each.decode())) for each in set(ASSET.findall(page)))


async def follow(port: int, secret: str, arrivals: list[float], events: int, opened: asyncio.Event) -> None:
    """Open a stream of all rotations, and note when each event arrives."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    host = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {secret}\r\n\r\n"
    writer.write(f"GET /api/v1/events HTTP/1.1\r\n{host}".encode())
    kept = await reader.readuntil(b": alive")
    opened.set()
    while len(arrivals) < events and (part := await reader.read(65536)):
        kept = kept[-len(EVENT) + 1 :] + part
        arrivals += [time.perf_counter()] * kept.count(EVENT)
        kept = kept.rpartition(EVENT)[2]
    writer.close()


async def stream_ms(app: Keyturn, port: int, secret: str, count: int, events: int) -> list[float]:
    """How long each event takes from its commit to each of ``count`` streams."""
    rotation = app.rotations.open_for(NAME) or app.rotations.request(NAME, actor="benchmark")
    arrivals: list[list[float]] = [[] for _ in range(count)]
    opened: list[asyncio.Event] = []
    committed = []
    async with asyncio.timeout(TIME_LIMIT), asyncio.TaskGroup() as group:
        for each in arrivals:
            opened.append(asyncio.Event())
            group.create_task(follow(port, secret, each, events, opened[-1]))
        await asyncio.gather(*(each.wait() for each in opened))
        for _ in range(events):
            await asyncio.sleep(0.5)
            verb = app.rotations.resume if app.rotations.show(rotation.id).failure else app.rotations.park
            await asyncio.to_thread(verb, rotation.id, actor="benchmark", reason="benchmark")
            committed.append(time.perf_counter())
    return [(at - began) * 1000 for each in arrivals for began, at in zip(committed, each, strict=True)]


def idle_percent(pid: int, seconds: float) -> float:
    """How much of one processor a process takes at rest."""
    began, before = time.monotonic(), _ticks(pid)
    time.sleep(seconds)
    return (_ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began) * 100


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connections", type=int, default=10_000)
    options.add_argument("--rotations", type=int, default=100_000)
    options.add_argument("--repeats", type=int, default=100, help="how often each page is read")
    options.add_argument("--streams", type=int, default=500)
    options.add_argument("--events", type=int, default=20)
    options.add_argument("--rest", type=float, default=30.0, help="seconds")
    chosen = options.parse_args()
    print_machine()
    with serving([sys.executable, "-c", BARE]) as (bare, port):
        client = Client(int(port))
        floor = p95_ms(lambda: client.get("/"), chosen.repeats)
        bare_idle = idle_percent(bare.pid, chosen.rest)
    with large(chosen.connections, chosen.rotations) as (app, rotation):
        secret = app.tokens.add("benchmark", Role.VIEWER, days=1, actor="benchmark").secret
        with serving([COMMAND, "console", "--port", "0", "-o", "json"]) as (process, first):
            assert process.stdout
            started = json.loads(first + "".join(iter(process.stdout.readline, "}\n")) + "}")
            measure(started, secret, rotation, chosen.repeats, floor)
            times = {
                count: asyncio.run(stream_ms(app, started["port"], secret, count, chosen.events))
                for count in (1, chosen.streams)
            }
            print("from the commit of an event to a stream, ms, p99")
            print_figure("1 stream (floor)", percentile(times[1], 99))
            print_figure(f"{chosen.streams} streams", percentile(times[chosen.streams], 99), "wanted: below 300")
            print("at rest, % of a processor")
            print_figure("a bare server (floor)", bare_idle, digits=2)
            print_figure("console", idle_percent(process.pid, chosen.rest), "wanted: below 1", digits=2)


def measure(started: dict[str, object], secret: str, rotation: str, repeats: int, floor: float) -> None:
    """Read each page and what the API has, as a person and a program do."""
    person, program = Client(int(str(started["port"]))), Client(int(str(started["port"])))
    person.sign_in(str(started["link"]))
    program.headers["Authorization"] = f"Bearer {secret}"
    names = {"name": NAME, "id": rotation}
    print("a page, ms at the client, p95")
    print_figure("a bare route (floor)", floor, digits=1)
    for client, prefix, paths in ((person, "", PAGES), (program, "/api/v1", READS)):
        for path in (prefix + each.format(**names) for each in paths):
            size = with_assets(client, client.get(path)) / KILO
            taken = p95_ms(lambda client=client, path=path: client.get(path), repeats)
            print_figure(path.replace(rotation, "ID"), taken, f"wanted: below 50; {size:.0f} KB of 100", digits=1)


if __name__ == "__main__":
    main()
