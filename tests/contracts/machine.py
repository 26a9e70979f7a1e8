"""What every StateMachine keeps: subclass MachineContract and give it a `world` fixture."""

from collections.abc import Iterator
from random import Random
from typing import Protocol

import pytest

from quorate.protocols.core import Entry, Kind, StateMachine

COMMANDS = 400
SLICE_BYTES_MAX = 4 * 1_048_576


class MachineWorld(Protocol):
    """One kind of machine and what can be asked of it."""

    def machine(self) -> StateMachine:
        """A fresh one."""

    def commands(self, rng: Random, count: int) -> list[bytes]:
        """Commands that a machine can meet, good ones and refused ones; enough of them touch all of its state."""

    def queries(self) -> list[bytes]:
        """Queries whose answers together show the state."""


def entry(index: int, data: bytes, term: int = 1) -> Entry:
    return Entry(index, term, (1 << 56) | index, int(Kind.COMMAND), data)


def run(machine: StateMachine, commands: list[bytes], first: int = 1) -> list[bytes]:
    return [machine.apply(entry(first + offset, command)) for offset, command in enumerate(commands)]


def image(machine: StateMachine) -> bytes:
    return b"".join(machine.freeze()())


def restore(machine: StateMachine, chunks: list[bytes]) -> StateMachine:
    for _ in machine.restore(chunks):
        pass
    return machine


def cut(data: bytes, rng: Random) -> Iterator[bytes]:
    """The same bytes in chunks of any size."""
    position = 0
    while position < len(data):
        size = rng.choice((1, 2, 7, 100, 5_000))
        yield data[position : position + size]
        position += size


class MachineContract:
    """Inherit, and define `world`."""

    @pytest.fixture
    def world(self) -> MachineWorld:
        raise NotImplementedError("a subclass defines the `world` fixture")

    def test_equal_logs_give_equal_results_answers_and_snapshots(self, world: MachineWorld) -> None:
        commands = world.commands(Random(1), COMMANDS)
        one, other = world.machine(), world.machine()

        assert run(one, commands) == run(other, commands)
        assert [one.query(query) for query in world.queries()] == [other.query(query) for query in world.queries()]
        assert image(one) == image(other)

    def test_different_states_give_different_snapshots(self, world: MachineWorld) -> None:
        commands = world.commands(Random(2), COMMANDS)
        machine = world.machine()
        empty = image(machine)
        run(machine, commands)

        assert image(machine) != empty

    def test_a_query_changes_nothing(self, world: MachineWorld) -> None:
        machine = world.machine()
        run(machine, world.commands(Random(3), COMMANDS))
        before = image(machine)
        for query in [*world.queries(), b"", b"\xc1", b"\x00" * 40, *world.commands(Random(4), 50)]:
            assert isinstance(machine.query(query), bytes)

        assert image(machine) == before

    def test_garbage_is_a_result_and_changes_nothing(self, world: MachineWorld) -> None:
        machine = world.machine()
        run(machine, world.commands(Random(5), COMMANDS))
        before = image(machine)
        rng = Random(6)
        garbage = [b"", b"\x00", b"\xc1", b"\x90", b"\xff" * 30] + [b"\xc1" + rng.randbytes(rng.randrange(60)) for _ in range(200)]
        for result in run(machine, garbage, COMMANDS + 1):
            assert isinstance(result, bytes)
            assert result

        assert image(machine) == before

    def test_a_restored_machine_goes_on_as_the_one_that_was_frozen(self, world: MachineWorld) -> None:
        commands = world.commands(Random(7), 2 * COMMANDS)
        original = world.machine()
        run(original, commands[:COMMANDS])
        restored = restore(world.machine(), list(original.freeze()()))

        assert image(restored) == image(original)
        assert [restored.query(query) for query in world.queries()] == [original.query(query) for query in world.queries()]
        first = COMMANDS + 1
        assert run(restored, commands[COMMANDS:], first) == run(original, commands[COMMANDS:], first)
        assert image(restored) == image(original)

    def test_restore_replaces_what_was_there(self, world: MachineWorld) -> None:
        original, other = world.machine(), world.machine()
        run(original, world.commands(Random(8), COMMANDS))
        run(other, world.commands(Random(9), COMMANDS))

        assert image(restore(other, [image(original)])) == image(original)

    def test_freezing_fixes_the_state_although_commands_go_on(self, world: MachineWorld) -> None:
        commands = world.commands(Random(10), 2 * COMMANDS)
        machine, still = world.machine(), world.machine()
        run(machine, commands[:COMMANDS])
        run(still, commands[:COMMANDS])
        encode = machine.freeze()
        slices = encode()
        # Between any two slices the machine goes on.
        frozen = [next(slices)]
        run(machine, commands[COMMANDS:], COMMANDS + 1)
        frozen += slices

        assert b"".join(frozen) == image(still)

    def test_two_frozen_states_do_not_disturb_each_other(self, world: MachineWorld) -> None:
        commands = world.commands(Random(11), 3 * COMMANDS)
        machine, still = world.machine(), world.machine()
        encodings, expected = [], []
        for part in range(3):
            run(machine, commands[part * COMMANDS : (part + 1) * COMMANDS], 1 + part * COMMANDS)
            run(still, commands[part * COMMANDS : (part + 1) * COMMANDS], 1 + part * COMMANDS)
            encodings.append(machine.freeze())
            expected.append(image(still))

        assert [b"".join(encode()) for encode in reversed(encodings)] == expected[::-1]

    def test_a_frozen_state_that_is_thrown_away_leaves_no_trace(self, world: MachineWorld) -> None:
        commands = world.commands(Random(12), 2 * COMMANDS)
        machine, still = world.machine(), world.machine()
        run(machine, commands[:COMMANDS])
        machine.freeze()
        begun = machine.freeze()()
        next(begun)
        del begun

        run(machine, commands[COMMANDS:], COMMANDS + 1)
        run(still, commands)
        assert image(machine) == image(still)

    def test_snapshot_bytes_may_be_cut_anywhere(self, world: MachineWorld) -> None:
        original = world.machine()
        run(original, world.commands(Random(13), COMMANDS))
        expected = image(original)

        assert image(restore(world.machine(), list(cut(expected, Random(14))))) == expected
        assert image(restore(world.machine(), [b"", expected, b""])) == expected

    def test_the_old_state_stands_until_a_restore_is_complete(self, world: MachineWorld) -> None:
        original, other = world.machine(), world.machine()
        run(original, world.commands(Random(15), COMMANDS))
        run(other, world.commands(Random(16), COMMANDS))
        before = image(other)
        for _ in other.restore(list(original.freeze()())):
            assert image(other) == before

        assert image(other) == image(original)

    def test_a_snapshot_cut_short_is_an_error_and_changes_nothing(self, world: MachineWorld) -> None:
        original, other = world.machine(), world.machine()
        run(original, world.commands(Random(17), COMMANDS))
        run(other, world.commands(Random(18), COMMANDS))
        before, whole = image(other), image(original)
        rng = Random(19)
        for length in [0, 1, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(20))]:
            with pytest.raises(ValueError, match=r"snapshot"):
                restore(other, [whole[:length]])

            assert image(other) == before

    def test_slices_are_small(self, world: MachineWorld) -> None:
        machine = world.machine()
        run(machine, world.commands(Random(20), 5 * COMMANDS))

        assert max(map(len, machine.freeze()())) <= SLICE_BYTES_MAX

    def test_what_is_due_are_commands_and_asking_changes_nothing(self, world: MachineWorld) -> None:
        machine = world.machine()
        run(machine, world.commands(Random(21), COMMANDS))
        before = image(machine)
        due = [command for step in range(200) for command in machine.due(1_000_000 + step * 100_000_000, 1)]

        assert image(machine) == before
        for result in run(machine, due, COMMANDS + 1):
            assert isinstance(result, bytes)
