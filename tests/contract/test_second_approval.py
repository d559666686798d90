"""Two people close a parked rotation where the installation asks for it, on both databases and on two machines."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any, Final

import pytest
from contract.race_stages import DONE, NAME, RACED, Stage
from sqlalchemy import text
from support.randomness import FakeRandom
from support.stores import authenticate, open_store

from orchestrator.operations.approvals import Approvals
from orchestrator.operations.recovery import Recovery
from orchestrator.operations.rotations import Rotations
from persistence.store import Store
from states.approval import Wanted
from states.errors import KeyturnError, Tampered, TryLater
from states.next_action import Verb
from states.preconditions import advise
from states.rotation import Ending, Rotation
from states.state import State
from states.timing import APPROVED_WITHIN

STAGE: Final = {"restore": "outage", "adopt": "foreign", "abandon": "requested"}
"""In which stage each verb is possible; a rotation that was requested is parked by a person first."""
ENDING: Final = {"restore": Ending.RESTORED, "adopt": Ending.ADOPTED, "abandon": Ending.ABANDONED}
DAY: Final = APPROVED_WITHIN.total_seconds()


@dataclass
class People:
    """One machine on which people close rotations, and both systems."""

    store: Store
    stage: Stage
    is_required: bool = True

    def __post_init__(self) -> None:
        self.clock = self.stage.systems.clock
        self.approvals = Approvals(self.store, self.clock, is_required=self.is_required)
        ports = self.stage.systems.as_ports()
        self.recovery = Recovery(self.store, lambda _: ports, self.clock, self.approvals, lease=60)
        self.rotations = Rotations(
            self.store, self.clock, FakeRandom("a"), worker="a", lease=60, approvals=self.approvals
        )

    def do(self, verb: str, actor: str, *, reason: str = "seen to", **more: Any) -> Rotation:
        """Do the verb, or ask for it."""
        act: Callable[..., Rotation] = getattr(self.recovery, verb)
        return act(RACED, actor=actor, reason=reason, **more)

    def refused(self, verb: str, actor: str, **more: Any) -> str:
        """The code with which it is refused."""
        with pytest.raises(KeyturnError) as raised:
            self.do(verb, actor, **more)
        return raised.value.code

    def left(self) -> tuple[object, ...]:
        """All that a refusal must leave as it was."""
        systems = self.stage.systems
        return self.store.rotations.get(RACED), self.store.journal.of(RACED), systems.installed, systems.saved


@pytest.fixture(params=["restore", "adopt", "abandon"])
def verb(request: pytest.FixtureRequest) -> str:
    """Each verb that needs two people."""
    found: str = request.param
    return found


@pytest.fixture
def people(store: Store, verb: str) -> People:
    """Two people who have to agree, and a rotation that the verb closes."""
    return ready(store, verb)


def ready(store: Store, verb: str, *, is_required: bool = True) -> People:
    """People, and a parked rotation that ``verb`` closes."""
    stage = Stage(store, STAGE[verb])
    stage.put()
    people = People(store, stage, is_required)
    if verb == "abandon":
        people.rotations.park(RACED, actor="bob")
    return people


def asked(people: People, verb: str, **more: Any) -> int:
    """Let ada ask; return the number of her request."""
    request = people.do(verb, "ada", reason="agreed by phone", **more).circumstances.approval
    assert request
    return request.number


def test_one_asks_and_another_approves(people: People, verb: str) -> None:
    """The first person's verb changes the journal alone; the second one's closes the rotation. Both are in the journal
    with their reasons.
    """
    before, *_ = people.left()
    assert isinstance(before, Rotation)
    waiting = people.do(verb, "ada", reason="agreed by phone")
    request = waiting.circumstances.approval
    assert request
    assert ("ada", "agreed by phone", verb, before.version + 1, True) == (
        *(request.actor, request.reason, request.wanted.verb.value, waiting.version, waiting.is_open),
    )
    assert [] == people.stage.systems.calls
    shown = people.rotations.explain(RACED)
    advised = advise(shown.rotation, people.clock.now())
    assert (request, verb, str(request.number)) == (
        shown.rotation.circumstances.approval,
        advised.verb.value,
        advised.options["approves"],
    )
    closed = people.do(verb, "bob", reason="I looked", approves=request.number, version=waiting.version)
    assert (ENDING[verb], None) == (closed.ending, closed.circumstances.approval)
    ask, *_, last = people.store.journal.of(RACED)[request.number - 1 :]
    assert ("ada", "approval_asked", "agreed by phone") == (ask.actor, ask.event, ask.detail["reason"])
    assert ("I looked", "ada", "agreed by phone", request.number) == tuple(
        last.detail[name] for name in ("reason", "asked_by", "asked_because", "approves")
    )
    assert people.store.journal.verify()


REFUSALS: Final[dict[str, tuple[str, dict[str, Any], Callable[[People, str], object]]]] = {
    "the same person": ("SAME_PERSON", {"actor": "ada"}, lambda *_: None),
    "the same person in capitals": ("SAME_PERSON", {"actor": "ADA"}, lambda *_: None),
    "no such request": ("APPROVAL_MISSING", {"approves": 99}, lambda *_: None),
    "no reason": ("INVALID_INPUT", {"reason": " "}, lambda *_: None),
    "a version that is over": ("STALE", {"version": 1}, lambda *_: None),
    "a day later": ("APPROVAL_EXPIRED", {}, lambda people, _: people.clock.advance(DAY)),
    "a clock a day behind": ("APPROVAL_EXPIRED", {}, lambda people, _: people.clock.advance(-DAY)),
    "another request": ("APPROVAL_PENDING", {"approves": None}, lambda *_: None),
    "withdrawn": (
        "APPROVAL_MISSING",
        {},
        lambda people, _: people.approvals.withdraw(RACED, actor="ada", reason="no need"),
    ),
    "changed since": ("APPROVAL_MISSING", {}, lambda people, _: changed(people)),
    "held by a worker": ("STALE", {}, lambda people, _: held(people)),
}


def changed(people: People) -> None:
    """Resume the rotation, and park it again for the same reason."""
    failure = people.rotations.show(RACED).failure
    resumed = people.rotations.resume(RACED, actor="carl", overwrite=True)
    assert failure
    parked = people.rotations.park(RACED, actor="carl")
    assert (resumed.version + 1, State.FAILED) == (parked.version, parked.state)
    with people.store._database.writing() as tx:  # as if it had failed again
        code = {"code": failure.code, "id": RACED}
        tx.execute(text("UPDATE rotations SET failure_code = :code WHERE id = :id"), code)
    authenticate(people.store)


def held(people: People) -> None:
    """Let another person's restore hold the rotation."""
    people.store.claims.hold("carl", people.store.rotations.checked(RACED), lease=60)


@pytest.mark.parametrize("case", REFUSALS)
def test_what_approves_nothing(people: People, verb: str, case: str) -> None:
    """An approval that is not another person's, of this request, in time, is refused with a code of its own: the
    rotation, its journal and both systems stay as they are.
    """
    number = asked(people, verb)
    code, more, prepare = REFUSALS[case]
    prepare(people, verb)
    before = people.left()
    given = {"actor": "bob", "approves": number, **more}
    assert code == people.refused(verb, **given)
    assert before == people.left()


def test_another_verb_or_option_is_not_approved(store: Store) -> None:
    """Who approves something else than was asked for is refused, also where it would be possible."""
    people = ready(store, "restore")
    number = asked(people, "restore")
    assert "APPROVAL_DIFFERS" == people.refused("restore", "bob", approves=number, overwrite=True)
    with people.store._database.writing() as tx:
        tx.execute(text("UPDATE rotations SET failure_code = 'FOREIGN_ROTATION' WHERE id = :id"), {"id": RACED})
    authenticate(store)
    before = people.left()
    assert "APPROVAL_DIFFERS" == people.refused("adopt", "bob", approves=number)
    assert before == people.left()


def test_a_request_is_made_again(people: People, verb: str) -> None:
    """A request that is a day old, or withdrawn, is no reason against another one, which is approved by its number."""
    first = asked(people, verb)
    people.clock.advance(DAY)
    assert people.rotations.show(RACED).circumstances.approval is None
    second = asked(people, verb)
    people.approvals.withdraw(RACED, actor="bob")
    third = asked(people, verb)
    assert [first, first + 1, first + 3] == [first, second, third]
    assert "APPROVAL_MISSING" == people.refused(verb, "bob", approves=second)
    assert ENDING[verb] is people.do(verb, "bob", approves=third).ending
    with pytest.raises(KeyturnError):
        people.approvals.withdraw(RACED, actor="bob")


def test_a_begun_restore_is_finished_by_one_person(store: Store) -> None:
    """No outage waits: a restore that both approved, and whose answer was lost, is finished without another approval;
    not so where it may replace any certificate.
    """
    people = ready(store, "restore")
    number = asked(people, "restore")
    people.stage.systems.will_fail("netsuite.sign", TryLater())
    assert "TRY_LATER" == people.refused("restore", "bob", approves=number)  # before anything was sent: it still waits
    people.stage.systems.will_go_well("openair.read")
    people.stage.systems.will_fail("openair.read", TryLater())
    assert "RESTORE_UNFINISHED" == people.refused("restore", "bob", approves=number)
    begun = store.rotations.get(RACED)
    assert begun.restoring_since
    for alone in (Wanted(verb=Verb.ABANDON), Wanted(verb=Verb.ADOPT), Wanted(verb=Verb.RESTORE, overwrite=True)):
        assert people.approvals.must_ask(begun, alone, None)
    assert people.do("restore", "bob", overwrite=True).circumstances.approval
    assert Ending.RESTORED is people.do("restore", "bob").ending


def test_one_person_is_enough_by_default(store: Store, verb: str) -> None:
    """Without the setting, one person closes a rotation, and no request is looked for."""
    people = ready(store, verb, is_required=False)
    assert ENDING[verb] is people.do(verb, "ada", reason="").ending


FORGERIES: Final = {
    "another asker": "UPDATE journal SET actor = 'eve' WHERE event = 'approval_asked'",
    "a later request": "UPDATE journal SET at = '2026-11-24 00:00:00' WHERE event = 'approval_asked'",
    "another reason": """UPDATE journal SET detail = REPLACE(CAST(detail AS TEXT), 'phone', 'the auditor')::json
        WHERE event = 'approval_asked'""",
    "a request of their own": """INSERT INTO journal SELECT rotation_id, seq + 1, at, 'eve', event, source, target,
        attempt, detail, hash, hash, commit_number FROM journal WHERE event = 'approval_asked'""",
    "one more request, counted": """INSERT INTO journal SELECT rotation_id, seq + 1, at, 'eve', event, source, target,
        attempt, detail, hash, hash, commit_number FROM journal WHERE event = 'approval_asked';
        UPDATE rotations SET journal_seq = journal_seq + 1, version = version + 1""",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_request_cannot_be_forged(store: Store, forgery: str) -> None:
    """A request that was changed, or made, by who writes the database and has no key is none: no one can approve it."""
    people = ready(store, "abandon")
    number = asked(people, "abandon")
    with store._database.writing() as tx:
        for statement in FORGERIES[forgery].split(";"):
            tx.exec_driver_sql(statement.replace("::json", "") if tx.dialect.name == "sqlite" else statement)
    before = people.left()
    for actor, approves in itertools.product(("ada", "bob"), (number, number + 1)):
        assert "APPROVAL_MISSING" == people.refused("abandon", actor, approves=approves)
    assert before == people.left()


def test_a_changed_rotation_is_abandoned_by_two(store: Store) -> None:
    """A rotation that was changed outside Keyturn can only be abandoned, and that needs two people as well."""
    people = ready(store, "abandon")
    with store._database.writing() as tx:
        tx.execute(text("UPDATE rotations SET reason = 'changed' WHERE id = :id"), {"id": RACED})
    number = asked(people, "abandon")
    assert "SAME_PERSON" == people.refused("abandon", "ada", approves=number)
    with pytest.raises(Tampered):
        store.claims.hold("bob", store.rotations.checked(RACED), lease=60)
    assert Ending.ABANDONED is people.do("abandon", "bob", approves=number).ending


@pytest.fixture
def second(url: str) -> Iterator[Store]:
    """Another machine's store."""
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.mark.parametrize("other", ["approve", "resume", "withdraw", "ask"])
def test_what_meets_an_approval(store: Store, second: Store, verb: str, other: str) -> None:
    """Two people who approve at the same moment, or one who approves while another one resumes, withdraws or asks
    again: one of them is done, whole, and the other is refused.
    """
    stage = Stage(store, STAGE[verb])
    for _ in range(5):
        stage.put()
        here, there = People(store, stage), People(second, stage)
        if verb == "abandon":
            here.rotations.park(RACED, actor="bob")
        number = asked(here, verb)
        acts: dict[str, Callable[[], object]] = {
            "approve": lambda: there.do(verb, "carl", approves=number),  # noqa: B023 - called in this turn
            "resume": lambda: there.rotations.resume(RACED, actor="carl"),  # noqa: B023
            "withdraw": lambda: there.approvals.withdraw(RACED, actor="carl"),  # noqa: B023
            "ask": lambda: there.do(verb, "carl"),  # noqa: B023
        }
        ended = at_once(lambda: here.do(verb, "bob", approves=number), acts[other])  # noqa: B023
        assert 1 == ended.count(DONE), ended
        assert set(ended) <= {DONE, "STALE", "APPROVAL_MISSING", "APPROVAL_PENDING", "ILLEGAL_MOVE"}
        left = store.rotations.get(NAME)
        closers = [each.actor for each in store.journal.of(RACED) if each.event == verb]
        if left.ending:
            assert [["bob"], ["carl"]][ended.index(DONE)] == closers
        else:
            assert ([], 1) == (closers, ended.index(DONE))
        assert store.journal.verify()


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Do them at the same moment; return how each ended, DONE or with its error's code."""
    together = Barrier(len(acts))

    def run(act: Callable[[], object]) -> str:
        together.wait()
        try:
            act()
        except KeyturnError as error:
            return error.code
        return DONE

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
