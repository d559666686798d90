"""Messages about alerts over real HTTP: signed, in order, and again until the receiver has them."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from pathlib import Path

import pytest
from integration.fixture_types import Rotate
from pytest_httpserver import HTTPServer
from support.clock import OffsetClock
from support.environment import NAME
from werkzeug import Request, Response

from orchestrator.alert_settings import AlertSettings, RouteSettings
from orchestrator.bootstrap import Keyturn
from orchestrator.operations.alerts import GIVE_UP_AFTER, Route
from simulator import Fault, Simulator
from states.alert import Message, Severity
from states.errors import AlertRefused, NotFound
from states.rotation import Rotation

SECRET = b"s" * 32
NO_SAVE = Fault("openair.api", "401", action="Add", when="before", times=None)


class Receiver:
    """Who gets messages; it answers with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[Request] = []

    def __call__(self, request: Request) -> Response:
        """Take a message."""
        self.got.append(request)
        return Response(status=self.status)

    def reported(self) -> list[tuple[str, str]]:
        """The kind and phase of each message."""
        return [(each["kind"], each["phase"]) for each in (json.loads(got.get_data()) for got in self.got)]


@pytest.fixture
def receiver(app: Keyturn, httpserver: HTTPServer, tmp_path: Path) -> Receiver:
    """The receiver of the one route of ``app``."""
    taker = Receiver()
    httpserver.expect_request("/hook", method="POST").respond_with_handler(taker)
    file = tmp_path / "hook-secret"
    file.write_text("whsec_" + base64.b64encode(SECRET).decode() + "\n")
    route = RouteSettings(webhook=httpserver.url_for("/hook"), secret_file=file, least="warning")
    app.settings = app.settings.model_copy(update={"alerts": AlertSettings(routes={"ops": route})})
    return taker


@pytest.fixture
def parked(receiver: Receiver, simulator: Simulator, rotate: Rotate) -> Rotation:
    """A rotation that is parked between both sides: OpenAir refuses its certificate."""
    del receiver
    simulator.faults.add(NO_SAVE)
    return rotate()


def test_a_message_is_signed_over_its_id_time_and_body(app: Keyturn, receiver: Receiver, parked: Rotation) -> None:
    """A receiver that has the secret can tell that Keyturn sent it, what, and when; no secret is in it."""
    assert not app.alerts.send()
    (got,) = receiver.got
    sent, body = got.headers["webhook-timestamp"], got.get_data()
    signed = b".".join((got.headers["webhook-id"].encode(), sent.encode(), body))
    expected = "v1," + base64.b64encode(hmac.digest(SECRET, signed, hashlib.sha256)).decode()
    assert expected == got.headers["webhook-signature"]
    assert abs(int(sent) - app.clock.now().timestamp()) < 60
    message = json.loads(body)
    assert (NAME, parked.id, "critical") == (message["connection"], message["rotation"], message["severity"])
    assert (message["id"], "OUTAGE") == (got.headers["webhook-id"], message["kind"])
    assert message["message"].startswith("Imports are refused since")
    assert not app.alerts.send()
    assert 1 == len(receiver.got)


def test_a_receiver_that_is_away_gets_all_in_order(app: Keyturn, receiver: Receiver, parked: Rotation) -> None:
    """Each message keeps its id when it is sent again, and none overtakes an earlier one about the same rotation."""
    assert isinstance(app.clock, OffsetClock)
    receiver.status = 503
    assert app.alerts.send()
    assert app.alerts.send(), "it rests"
    assert 1 == len(receiver.got)
    app.store.alerts.settle(f"rotation {parked.id}", None, "x", app.clock.now())
    receiver.status = 204
    app.clock.ahead += timedelta(minutes=1)
    assert not app.alerts.send()
    assert [("OUTAGE", "began"), ("OUTAGE", "began"), ("OUTAGE", "ended")] == receiver.reported()
    assert receiver.got[0].headers["webhook-id"] == receiver.got[1].headers["webhook-id"]


def test_a_message_is_given_up_after_days(app: Keyturn, receiver: Receiver, parked: Rotation) -> None:
    """What a receiver refuses for days is not sent for ever; that it has not got it stays in the list."""
    del parked
    assert isinstance(app.clock, OffsetClock)
    receiver.status = 400
    assert app.alerts.send()
    app.clock.ahead += GIVE_UP_AFTER + timedelta(minutes=1)
    assert not app.alerts.send()
    (stored,) = app.alerts.newest(9)
    assert (True, "ops: The receiver answers with 400.") == (stored.done_at is not None, stored.error)


def test_a_test_tells_which_receiver_took_it(app: Keyturn, receiver: Receiver) -> None:
    """It is sent at once, and what the receiver refuses is an error."""
    assert [("ops", None)] == app.alerts.test(None, "ada")
    assert [("TEST", "happened")] == receiver.reported()
    receiver.status = 404
    ((_, error),) = app.alerts.test("ops", "ada")
    assert isinstance(error, AlertRefused)
    with pytest.raises(NotFound):
        app.alerts.test("nowhere", "ada")


def test_what_only_time_brings_is_reported_by_looking(app: Keyturn, receiver: Receiver, rotate: Rotate) -> None:
    """A certificate that becomes overdue is reported once, and so is that it is not any more."""
    done = rotate()
    app.alerts.look()
    assert [] == app.alerts.lasting()
    assert isinstance(app.clock, OffsetClock)
    assert done.proofs.candidate
    app.clock.ahead += done.proofs.candidate.certificate.not_after - app.clock.now() - timedelta(days=3)
    for _ in range(2):
        app.alerts.look()
        app.alerts.send()
    assert ("OVERDUE", "began") in receiver.reported()
    assert len(set(receiver.reported())) == len(receiver.reported())


class Broken:
    """A receiver that fails in a way that no one foresaw."""

    def send(self, message: Message) -> None:
        """Fail."""
        raise ValueError(message.id)


def test_a_broken_receiver_holds_up_no_other(app: Keyturn, receiver: Receiver, parked: Rotation) -> None:
    """The others get each message once; it is tried again later, and noted why."""
    broken = Route(name="broken", receiver=Broken(), connections=(), least=Severity.WARNING)
    app.alerts._routes = [broken, *app.alerts.routes]
    for _ in range(2):
        assert app.alerts.send()
    assert [("OUTAGE", "began")] == receiver.reported()
    (stored,) = app.alerts.newest(9)
    assert (["ops"], "broken: Keyturn itself failed (ValueError).") == (list(stored.delivered), stored.error)
    assert parked.id in stored.message.id
