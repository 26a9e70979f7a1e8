"""Client sessions: applied once, answered again, bounded, and part of the snapshot."""

from collections.abc import Callable, Iterable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.protocols import sessions
from quorate.protocols.core import Entry
from quorate.protocols.sessions import (
    NONCE_BYTES,
    RESULT_BYTES_MAX,
    RESULTS_MAX,
    RETRY_MS,
    SESSIONS_MAX,
    TTL_MS_MAX,
    TTL_MS_MIN,
    Sessions,
    Status,
    in_session,
    open_session,
    opened,
    plain,
    touch,
)
from tests.contracts.machine import MachineContract, MachineWorld, entry, image, restore


class Journal:
    """The smallest machine that shows how often a command was applied."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def apply(self, entry: Entry) -> bytes:
        if entry.data[:1] in (b"", b"\xc1"):
            return b"refused"
        self.lines.append(entry.data)
        return b"%d:" % len(self.lines) + entry.data[:1] * (len(entry.data) if entry.data[:1] == b"L" else 1)

    def query(self, query: bytes) -> bytes:
        return b"\n".join(self.lines)

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        return [b"tick"] if now_ms == 7 else []

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        lines = self.lines.copy()

        def encode() -> Iterator[bytes]:
            yield b"%d\n" % len(lines)
            for line in lines:
                yield line.hex().encode() + b"\n"

        return encode

    def restore(self, chunks: Iterable[bytes]) -> Iterator[None]:
        parts: list[bytes] = []
        for chunk in chunks:
            parts.append(chunk)
            yield
        head, *lines = b"".join(parts).split(b"\n")
        if not head or len(lines) != int(head) + 1 or lines[-1]:
            raise ValueError("the snapshot of a journal is cut short")
        self.lines = [bytes.fromhex(line.decode()) for line in lines[:-1]]


class World:
    """Sessions around a journal, with the next index of its log."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.machine = Sessions(self.journal)
        self.index = 0

    def apply(self, data: bytes) -> bytes:
        self.index += 1
        return self.machine.apply(entry(self.index, data))

    def open(self, nonce: int = 1, ttl_ms: int = 10_000) -> int:
        session, _ = opened(self.apply(open_session(nonce.to_bytes(NONCE_BYTES, "big"), ttl_ms)))
        return session

    def command(self, session: int, sequence: int, command: bytes = b"x", low_water: int = 0) -> bytes:
        return self.apply(in_session(session, sequence, low_water, command))

    def expired(self, now_ms: int, term: int = 1) -> list[bytes]:
        """What is due is applied; gives the results."""
        return [self.apply(command) for command in self.machine.due(now_ms, term)]


@pytest.fixture
def world() -> World:
    return World()


class TestContract(MachineContract):
    @pytest.fixture
    def world(self) -> MachineWorld:
        return SessionsWorld()


class SessionsWorld:
    def machine(self) -> Sessions:
        return Sessions(Journal())

    def commands(self, rng: Random, count: int) -> list[bytes]:
        made = [open_session(bytes((number,)) * NONCE_BYTES, 5_000) for number in range(4)]
        for position in range(count - 4):
            session, sequence = rng.randrange(6), rng.randrange(1, 4 + position)
            low_water = rng.randrange(sequence) if rng.random() < 0.2 else 0
            made.append(
                rng.choice(
                    (
                        in_session(session, sequence, low_water, rng.choice((b"a", b"L" * 3_000))),
                        in_session(session, sequence, low_water, b"b"),
                        plain(b"c"),
                        touch(session),
                        sessions.close(session) if rng.random() < 0.1 else plain(b"d"),
                    )
                )
            )
        return made

    def queries(self) -> list[bytes]:
        return [b""]


def test_a_command_outside_any_session_is_applied_as_often_as_it_commits(world: World) -> None:
    assert world.apply(plain(b"x")) == b"\x001:x"
    assert world.apply(plain(b"x")) == b"\x002:x"


def test_a_duplicate_gets_the_result_of_the_first_and_is_not_applied(world: World) -> None:
    session = world.open()
    first = world.command(session, 1)

    assert world.command(session, 1) == first == b"\x001:x"
    assert world.journal.lines == [b"x"]


def test_commands_of_a_session_may_arrive_in_any_order(world: World) -> None:
    session = world.open()

    assert [world.command(session, sequence)[1:] for sequence in (3, 1, 2, 3, 1)] == [b"1:x", b"2:x", b"3:x", b"1:x", b"2:x"]


def test_two_sessions_with_the_same_sequence_do_not_meet(world: World) -> None:
    one, two = world.open(1), world.open(2)

    assert world.command(one, 1) != world.command(two, 1)


def test_a_session_is_named_by_the_entry_that_opened_it(world: World) -> None:
    world.apply(plain(b"x"))

    assert world.open() == 2


def test_a_repeated_open_finds_the_session_of_the_first(world: World) -> None:
    assert world.open(5) == world.open(5)
    assert len(world.machine) == 1


def test_a_ttl_is_brought_within_its_bounds_and_said(world: World) -> None:
    assert opened(world.apply(open_session(b"a" * NONCE_BYTES, 1)))[1] == TTL_MS_MIN
    assert opened(world.apply(open_session(b"b" * NONCE_BYTES, 2**32 - 1)))[1] == TTL_MS_MAX


def test_results_up_to_the_low_water_mark_are_dropped_and_copies_refused(world: World) -> None:
    session = world.open()
    for sequence in (1, 2, 3):
        world.command(session, sequence)
    kept = world.command(session, 3)
    world.command(session, 4, low_water=2)

    assert [world.command(session, sequence)[0] for sequence in (1, 2)] == [Status.STALE, Status.STALE]
    assert world.command(session, 3) == kept
    assert len(world.journal.lines) == 4


def test_a_late_copy_with_an_old_mark_does_not_lower_it(world: World) -> None:
    session = world.open()
    world.command(session, 1)
    world.command(session, 3, low_water=2)

    assert world.command(session, 2, low_water=0)[0] == Status.STALE


def test_a_mark_that_leaps_far_costs_no_loop_of_its_distance(world: World) -> None:
    session = world.open()
    world.command(session, 1)

    assert world.command(session, 2**63, low_water=2**63 - 1)[0] == Status.DONE
    assert world.command(session, 1)[0] == Status.STALE


def test_a_mark_at_or_above_its_own_sequence_is_malformed_and_changes_nothing(world: World) -> None:
    session = world.open()
    world.command(session, 1)

    assert world.command(session, 5, low_water=5)[0] == Status.MALFORMED
    assert world.command(session, 1)[0] == Status.DONE


@pytest.mark.parametrize("session", [0, 1, 99])
def test_a_command_of_an_unknown_session_is_never_applied(world: World, session: int) -> None:
    world.apply(plain(b"x"))

    assert world.command(session, 1)[0] == Status.EXPIRED
    assert world.journal.lines == [b"x"]


def test_a_retry_on_a_closed_session_is_expired_not_applied_anew(world: World) -> None:
    session = world.open()
    world.command(session, 1)

    assert world.apply(sessions.close(session))[0] == Status.DONE
    assert world.command(session, 1)[0] == Status.EXPIRED
    assert world.apply(touch(session))[0] == Status.EXPIRED
    assert world.apply(sessions.close(session))[0] == Status.DONE
    assert world.journal.lines == [b"x"]


def test_an_idle_session_expires_by_an_entry_and_not_before_its_ttl(world: World) -> None:
    session = world.open(ttl_ms=10_000)
    assert world.expired(1_000) == []
    assert world.expired(10_999) == []
    assert world.command(session, 1)[0] == Status.DONE

    assert world.expired(12_000) == []
    assert world.expired(21_999) == []
    due = list(world.machine.due(23_000, 1))
    assert len(due) == 1
    assert world.command(session, 2)[0] == Status.DONE, "proposing an expiry ends nothing"


def test_an_expiry_that_a_command_overtook_does_nothing(world: World) -> None:
    """1 the leader finds the session idle; 2 a command of it commits; 3 the expiry commits."""
    session = world.open()
    world.machine.due(0, 1)
    list(world.machine.due(0, 1))
    [expiry] = list(world.machine.due(20_000, 1))
    world.command(session, 1)
    world.apply(expiry)

    assert world.command(session, 1)[0] == Status.DONE


def test_an_expiry_that_nothing_overtook_ends_the_session(world: World) -> None:
    session = world.open()
    list(world.machine.due(0, 1))

    assert [Status.DONE] == [result[0] for result in world.expired(20_000)]
    assert world.command(session, 1)[0] == Status.EXPIRED


def test_a_touch_keeps_an_idle_session_alive(world: World) -> None:
    session = world.open(ttl_ms=10_000)
    for now_ms in range(0, 100_000, 5_000):
        assert world.expired(now_ms) == []
        world.apply(touch(session))

    assert world.command(session, 1)[0] == Status.DONE


def test_ttls_run_anew_under_a_new_leader(world: World) -> None:
    world.open(ttl_ms=10_000)
    list(world.machine.due(0, 1))

    assert list(world.machine.due(9_999_999, 2)) == []
    assert list(world.machine.due(9_999_999 + 9_999, 2)) == []
    assert len(list(world.machine.due(9_999_999 + 11_000, 2))) == 1


def test_a_lost_expiry_is_proposed_again_but_not_at_every_look(world: World) -> None:
    world.open(ttl_ms=10_000)
    list(world.machine.due(0, 1))
    proposed = [now_ms for now_ms in range(0, 20_000, 100) if list(world.machine.due(now_ms, 1))]

    assert proposed == [10_000, 10_000 + RETRY_MS]


def test_what_is_due_inside_is_proposed_outside_any_session(world: World) -> None:
    assert list(world.machine.due(7, 1)) == [plain(b"tick")]


def test_a_client_that_never_raises_its_mark_is_stopped_not_served_from_growing_memory(world: World) -> None:
    session = world.open()
    for sequence in range(1, RESULTS_MAX + 1):
        assert world.command(session, sequence)[0] == Status.DONE

    assert world.command(session, RESULTS_MAX + 1)[0] == Status.FULL
    assert world.command(session, 1)[0] == Status.DONE, "known results are still given"
    assert world.command(session, RESULTS_MAX + 1, low_water=1)[0] == Status.DONE


def test_large_results_are_bounded_over_all_sessions_together(world: World) -> None:
    large = b"L" * 4_000_000
    one, two = world.open(1), world.open(2)
    sequence = 0
    while world.command(one, sequence + 1, large)[0] == Status.DONE:
        sequence += 1

    assert RESULT_BYTES_MAX / len(large) - 1 <= sequence <= RESULT_BYTES_MAX / len(large) + 1
    assert world.command(two, 1)[0] == Status.FULL
    assert world.command(one, sequence + 1, low_water=sequence)[0] == Status.DONE
    assert world.command(two, 1)[0] == Status.DONE
    assert world.command(two, 2, large)[0] == Status.DONE
    world.apply(sessions.close(two))
    world.apply(sessions.close(one))
    assert world.machine._bytes == 0


def test_sessions_are_bounded_and_a_closed_one_makes_room(world: World) -> None:
    first = world.open(0)
    for nonce in range(1, SESSIONS_MAX):
        world.open(nonce)

    assert world.apply(open_session(b"z" * NONCE_BYTES, 5_000))[0] == Status.FULL
    world.apply(sessions.close(first))
    assert world.apply(open_session(b"z" * NONCE_BYTES, 5_000))[0] == Status.OPENED


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6, 255])
def test_a_cut_envelope_is_malformed(world: World, kind: int) -> None:
    assert world.apply(bytes((kind,)) + b"\x01")[0] == Status.MALFORMED
    assert world.apply(b"")[0] == Status.MALFORMED


def test_a_duplicate_is_still_recognised_after_a_snapshot(world: World) -> None:
    session = world.open(7)
    first = world.command(session, 1)
    world.command(session, 2)
    other = World()
    restore(other.machine, list(world.machine.freeze()()))
    other.index = world.index

    assert other.machine._bytes == world.machine._bytes > 0
    assert other.command(session, 1) == first
    assert other.command(session, 4, low_water=2)[0] == Status.DONE
    assert other.command(session, 2)[0] == Status.STALE
    assert other.open(7) == session
    assert len(other.journal.lines) == 3


Copy = tuple[int, int]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 8)), max_size=60), st.integers(0, 60))
def test_however_copies_repeat_and_mix_each_command_is_applied_once(copies: list[Copy], frozen_after: int) -> None:
    """Three clients, any interleaving of first and repeated copies, a snapshot somewhere: each client sees one result per
    command, and the journal has each command once, as long as the clients keep their marks honestly."""
    world = World()
    ids = [world.open(nonce) for nonce in (1, 2, 3)]
    results: dict[Copy, bytes] = {}
    marks = {0: 0, 1: 0, 2: 0}
    for position, (client, sequence) in enumerate(copies):
        if position == frozen_after:
            moved = World()
            restore(moved.machine, list(world.machine.freeze()()))
            moved.index, world = world.index, moved
        while (client, marks[client] + 1) in results and marks[client] + 1 < sequence:
            marks[client] += 1
        name = b"c%d.%d" % (client, sequence)
        result = world.command(ids[client], sequence, name, min(marks[client], sequence - 1))
        if sequence > marks[client]:
            assert result[0] == Status.DONE
            assert results.setdefault((client, sequence), result) == result
        else:
            assert result[0] == Status.STALE

    assert sorted(world.journal.lines) == sorted({b"c%d.%d" % copy for copy in copies})
    assert image(world.machine) == image(restore(Sessions(Journal()), [image(world.machine)]))
