"""The simulator's own eye on client sessions: what it accepts and what it refuses, entry by entry."""

from random import Random

import pytest

from quorate.protocols.core import Entry, Kind, StateMachine
from quorate.protocols.sessions import close, expire, in_session, open_session, plain, touch
from quorate.protocols.simulation import Campaign, Violation
from quorate.protocols.simulation.application import RegisterMachine
from quorate.protocols.simulation.envelopes import describe
from quorate.protocols.simulation.exactly_once import EFFECT_ONCE, ENDS_BY_ENTRY, SAME_ANSWER, SAME_RESULT, ExactlyOnce
from quorate.protocols.simulation.machine import Machine, with_sessions
from quorate.protocols.simulation.raft_view import RAFT
from tests.contracts.machine import MachineContract, MachineWorld

NONCE = bytes(16)


class Log:
    """Applies commands to one replica and shows every result to the judge."""

    def __init__(self) -> None:
        self.judge = ExactlyOnce()
        self.machine = with_sessions(RegisterMachine)()

    def add(self, data: bytes) -> bytes:
        entry = Entry(self.machine.applied + 1, 1, 0, Kind.COMMAND, data)
        result = self.machine.apply(entry)
        assert self.machine.witness is not None
        self.judge.applied("n1", entry, result, self.machine.witness.index == entry.index)
        return result


def test_a_sound_life_of_a_session_is_accepted() -> None:
    log = Log()
    log.add(open_session(NONCE, 1_000))
    results = [log.add(in_session(1, sequence, mark, b"a x %d" % sequence)) for sequence, mark in ((1, 0), (1, 0), (3, 0), (2, 0), (4, 3))]
    log.add(touch(1))
    log.add(expire(1, 2))
    log.add(in_session(1, 4, 3, b"a x 4"))
    log.add(close(1))
    gone = log.add(in_session(1, 5, 3, b"a x 5"))

    assert [b"\0"] * 5 == results
    assert b"1,3,2,4" == log.machine.state.query(b"r x")
    assert b"\2" == gone


def judge_with_session() -> ExactlyOnce:
    judge = ExactlyOnce()
    judge.applied("n1", Entry(1, 1, 0, Kind.COMMAND, open_session(NONCE, 1_000)), b"\1" + (1).to_bytes(8, "little") + bytes(4), False)
    judge.applied("n1", Entry(2, 1, 0, Kind.COMMAND, in_session(1, 1, 0, b"w x 1")), b"\0one", True)
    return judge


@pytest.mark.parametrize(
    ("index", "data", "result", "took_effect", "invariant"),
    [
        (3, in_session(1, 1, 0, b"w x 1"), b"\0one", True, EFFECT_ONCE),
        (3, in_session(1, 1, 0, b"w x 1"), b"\0two", False, SAME_ANSWER),
        (3, in_session(1, 2, 1, b"w x 1"), b"\2", False, ENDS_BY_ENTRY),
        (3, in_session(7, 1, 0, b"w x 1"), b"\0one", True, ENDS_BY_ENTRY),
        (2, in_session(1, 1, 0, b"w x 1"), b"\0two", True, SAME_RESULT),
    ],
    ids=["twice", "another answer", "lost session", "session from nowhere", "another node differs"],
)
def test_a_broken_promise_is_seen(index: int, data: bytes, result: bytes, took_effect: bool, invariant: str) -> None:
    with pytest.raises(Violation) as broken:
        judge_with_session().applied("n2", Entry(index, 1, 0, Kind.COMMAND, data), result, took_effect)

    assert invariant == broken.value.invariant


def test_an_image_carries_the_state_and_its_sessions() -> None:
    log = Log()
    log.add(open_session(NONCE, 1_000))
    log.add(in_session(1, 1, 0, b"c x  5"))
    other = with_sessions(RegisterMachine)()
    for _ in other.state.restore(log.machine.state.freeze()()):
        pass

    assert b"5" == other.state.query(b"r x")
    assert b"\0001" == other.apply(Entry(3, 1, 0, Kind.COMMAND, in_session(1, 1, 0, b"c x  5")))


def test_a_machine_without_state_answers_nothing() -> None:
    machine = Machine()

    assert b"" == machine.apply(Entry(1, 1, 0, Kind.COMMAND, b"anything"))
    assert machine.digest


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (in_session(7, 3, 2, b"w x 5"), "s7/3 w x 5"),
        (open_session(NONCE, 1), "opens a session"),
        (touch(7), "touches s7"),
        (close(7), "closes s7"),
        (expire(7, 9), "expires s7 unless used since 9"),
        (plain(b"w x 1"), "w x 1"),
        (b"x=1", "x=1"),
        (b"x" * 30, "30 bytes"),
    ],
)
def test_envelopes_are_described_in_words(data: bytes, said: str) -> None:
    assert said == describe(data)


def test_the_ordinary_workload_gives_sessions_something_to_do() -> None:
    """What the judge must see, or it has judged nothing."""
    reached: set[str] = set()
    for seed in range(40):
        reached |= set(Campaign(RAFT, seed).run(4_000, liveness=False).sometimes)

    assert (
        set()
        == {
            "a copy answered again",
            "a copy below its session's mark",
            "a command after its session's end",
            "a session's end",
        }
        - reached
    )


class RegisterWorld:
    def machine(self) -> StateMachine:
        return RegisterMachine()

    def commands(self, rng: Random, count: int) -> list[bytes]:
        acts = (b"w x %d", b"a y %d", b"c x 3 %d", b"w z %d;r x;a y 1", b"r x", b"nonsense", b"")
        return [act % rng.randrange(9) if b"%d" in act else act for act in rng.choices(acts, k=count)]

    def queries(self) -> list[bytes]:
        return [b"r x", b"r x;r y;r z", b"r nowhere"]


class TestRegisterMachine(MachineContract):
    @pytest.fixture
    def world(self) -> MachineWorld:
        return RegisterWorld()
