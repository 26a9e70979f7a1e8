"""What every Storage keeps, the real one and the simulated one: subclass StorageContract and give it a `world` fixture."""

from typing import Protocol

from quorate.protocols.core import NOTHING, Configuration, Effects, Entry, Kind, Member, Message, Recovered, Snapshot, Storage, message
from quorate.protocols.log import pack


@message(65100)
class Promised(Message):
    """Stands for an engine's promise in the contract."""

    term: int
    vote: str | None


CONFIGURATION = Configuration((Member("n1", 1, "disk-1", True, False, "a:1", "b:1"), Member("n2", 2)), 3)


class StorageWorld(Protocol):
    """One disk and what is stored on it."""

    def storage(self, group: str) -> Storage:
        """The group's storage in the present life; the same object each time."""

    def settle(self) -> None:
        """Let everything that was written become durable and be told."""

    def crash(self) -> None:
        """Lose all that is not durable, and start again; storages of the life before are dead."""


def entry(index: int, term: int = 1, data: bytes = b"data") -> Entry:
    return Entry(index, term, index + 100, int(Kind.COMMAND), data)


def batch(
    serial: int,
    *entries: Entry,
    promise: Message | None = None,
    truncate: int | None = None,
    snapshot: Snapshot | None = None,
) -> Effects:
    made = Effects(serial, promise=promise, truncate=truncate, snapshot=snapshot)
    made.entries.extend(entries)
    made.packed = pack(made.entries)
    return made


def snapshot(index: int, term: int = 1) -> Snapshot:
    return Snapshot(f"{index}-{term}", index, term, CONFIGURATION, 10, 77)


def indexes(recovered: Recovered) -> list[tuple[int, int]]:
    return [(each.index, each.term) for each in recovered.entries]


def nobody(serial: int) -> None:
    """Takes an answer that a test does not look at."""


class StorageContract:
    """The tests. `reload` of a group is what the next life reads."""

    def reload(self, world: StorageWorld, group: str = "g") -> Recovered:
        world.settle()
        world.crash()
        return world.storage(group).load()

    def test_a_mark_of_nothing_takes_the_last_one_back(self, world: StorageWorld) -> None:
        storage = world.storage("a")
        storage.write(batch(1, entry(1), entry(2)), nobody)
        storage.write(batch(2, snapshot=snapshot(2)), nobody)
        storage.write(batch(3, entry(3)), nobody)
        storage.write(batch(4, truncate=0, snapshot=NOTHING, promise=Promised(7, "n2")), nobody)
        storage.write(batch(5, entry(1, 7)), nobody)
        world.settle()
        world.crash()
        recovered = world.storage("a").load()

        assert (None, Promised(7, "n2"), [(1, 7)]) == (recovered.snapshot, recovered.promise, indexes(recovered))

    def test_an_empty_disk_gives_back_nothing(self, world: StorageWorld) -> None:
        assert Recovered() == world.storage("g").load()

    def test_what_was_told_durable_comes_back(self, world: StorageWorld) -> None:
        told: list[int] = []
        entries = [entry(1), Entry(2, 9, (1 << 64) - 1, int(Kind.NOOP), b"")]
        world.storage("g").write(batch(1, *entries, promise=Promised(9, "n1")), told.append)
        world.settle()
        world.crash()
        back = world.storage("g").load()

        assert [1] == told
        assert Promised(9, "n1") == back.promise
        assert entries == back.entries
        assert back.snapshot is None

    def test_nothing_is_told_from_inside_write(self, world: StorageWorld) -> None:
        told: list[int] = []
        storage = world.storage("g")
        storage.write(batch(1), told.append)
        storage.write(batch(2, entry(1)), told.append)
        storage.write(batch(3), told.append)

        assert [] == told

    def test_serials_are_told_in_order_and_the_last_is_told(self, world: StorageWorld) -> None:
        """Telling a serial tells all before it, so a storage may pass over some; never back, never beyond."""
        told: list[int] = []
        storage = world.storage("g")
        for serial in range(1, 8):
            storage.write(batch(serial, entry(serial)) if serial % 3 else batch(serial), told.append)
        world.settle()

        assert sorted(set(told)) == told
        assert 7 == told[-1]

    def test_a_batch_with_nothing_to_write_waits_for_those_before_it(self, world: StorageWorld) -> None:
        order: list[str] = []
        storage = world.storage("g")
        storage.write(batch(1, entry(1)), lambda serial: order.append(f"write {serial}"))
        storage.write(batch(2), lambda serial: order.append(f"barrier {serial}"))
        world.settle()

        assert "barrier 2" == order[-1]

    def test_a_batch_with_nothing_to_write_is_told_on_an_idle_disk(self, world: StorageWorld) -> None:
        told: list[int] = []
        storage = world.storage("g")
        storage.write(batch(1, entry(1)), nobody)
        world.settle()
        storage.write(batch(2), told.append)
        world.settle()

        assert [2] == told

    def test_what_was_not_told_durable_may_be_lost_but_never_in_half(self, world: StorageWorld) -> None:
        world.storage("g").write(batch(1, entry(1)), nobody)
        world.settle()
        world.storage("g").write(batch(2, entry(2), entry(3), promise=Promised(5, None)), nobody)
        world.crash()
        back = world.storage("g").load()

        assert (indexes(back), back.promise) in [([(1, 1)], None), ([(1, 1), (2, 1), (3, 1)], Promised(5, None))]

    def test_the_newest_promise_counts(self, world: StorageWorld) -> None:
        storage = world.storage("g")
        storage.write(batch(1, promise=Promised(1, "n1")), nobody)
        storage.write(batch(2, promise=Promised(2, None)), nobody)
        storage.write(batch(3, entry(1)), nobody)

        assert Promised(2, None) == self.reload(world).promise

    def test_truncation_drops_all_above_and_comes_before_the_entries_of_its_batch(self, world: StorageWorld) -> None:
        storage = world.storage("g")
        storage.write(batch(1, *[entry(index) for index in range(1, 6)]), nobody)
        storage.write(batch(2, entry(3, term=2), truncate=2), nobody)

        assert [(1, 1), (2, 1), (3, 2)] == indexes(self.reload(world))

    def test_truncation_alone_is_durable(self, world: StorageWorld) -> None:
        storage = world.storage("g")
        storage.write(batch(1, entry(1), entry(2)), nobody)
        storage.write(batch(2, truncate=0), nobody)

        assert [] == indexes(self.reload(world))

    def test_writing_an_entry_never_truncates_by_itself(self, world: StorageWorld) -> None:
        """A later entry of an index replaces the earlier one, and leaves those above alone."""
        storage = world.storage("g")
        storage.write(batch(1, entry(1), entry(2), entry(3)), nobody)
        storage.write(batch(2, entry(2, term=7)), nobody)

        assert [(1, 1), (2, 7), (3, 1)] == indexes(self.reload(world))

    def test_entries_need_not_be_written_in_the_order_of_their_indexes(self, world: StorageWorld) -> None:
        storage = world.storage("g")
        storage.write(batch(1, entry(5)), nobody)
        storage.write(batch(2, entry(2)), nobody)

        assert [(2, 1), (5, 1)] == indexes(self.reload(world))

    def test_a_snapshot_mark_drops_the_entries_it_covers(self, world: StorageWorld) -> None:
        storage = world.storage("g")
        storage.write(batch(1, *[entry(index) for index in range(1, 6)]), nobody)
        storage.write(batch(2, entry(6), snapshot=snapshot(4)), nobody)
        back = self.reload(world)

        assert snapshot(4) == back.snapshot
        assert [(5, 1), (6, 1)] == indexes(back)

    def test_a_snapshot_beyond_the_log_leaves_it_empty(self, world: StorageWorld) -> None:
        storage = world.storage("g")
        storage.write(batch(1, entry(1), entry(2)), nobody)
        storage.write(batch(2, snapshot=snapshot(100, 3), truncate=100), nobody)
        back = self.reload(world)

        assert (snapshot(100, 3), []) == (back.snapshot, back.entries)

    def test_groups_do_not_see_each_other(self, world: StorageWorld) -> None:
        told: dict[str, list[int]] = {"a": [], "b": []}
        world.storage("a").write(batch(1, entry(1, 5), promise=Promised(5, "a")), told["a"].append)
        world.storage("b").write(batch(1, entry(1, 6)), told["b"].append)
        world.storage("b").write(batch(2, truncate=0), told["b"].append)
        world.settle()
        world.crash()
        a, b = world.storage("a").load(), world.storage("b").load()

        assert ([1], 2) == (told["a"], told["b"][-1])
        assert ([(1, 5)], Promised(5, "a")) == (indexes(a), a.promise)
        assert ([], None) == (indexes(b), b.promise)

    def test_lives_follow_each_other(self, world: StorageWorld) -> None:
        for life in range(1, 6):
            assert [(index, 1) for index in range(1, life)] == indexes(world.storage("g").load())
            world.storage("g").write(batch(1, entry(life)), nobody)
            world.settle()
            world.crash()

        assert 5 == len(world.storage("g").load().entries)
