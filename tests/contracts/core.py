"""What every engine's factory keeps: subclass CoreContract and give it `factory` and `options`.

The Bench drives cores as the real driver does, with a network and disks that do at once what they are told to.
"""

from collections.abc import Callable
from random import Random

from quorate.protocols.core import (
    AddLearner,
    Change,
    Configuration,
    Core,
    CoreFactory,
    Effects,
    Entry,
    Kind,
    Member,
    Message,
    NodeId,
    Promote,
    ReadReady,
    Refused,
    Remove,
    Snapshot,
    Transfer,
    origin,
)
from quorate.protocols.log import pack
from quorate.protocols.simulation.disk import Fold

# Generous: an engine that needs more ticks, or more rounds of messages, than this to settle does not settle.
TICKS_MAX = 2_000
ROUNDS_MAX = 200


class Seat:
    """One node: a core, what it has durably written, and everything that came out of it."""

    def __init__(self, name: NodeId, number: int) -> None:
        self.name = name
        self.number = number
        self.core: Core | None = None
        self.incarnation = 0
        self.counter = 0
        self.disk = Fold()
        self.held = False
        """The disk syncs nothing for now."""
        self.serial = 0
        self.unsynced: list[Effects] = []
        self.serials: list[int] = []
        self.committed: list[Entry] = []
        """By this incarnation, from what it recovered on."""
        self.reads: list[ReadReady] = []
        self.done: list[int] = []
        self.refused: list[Refused] = []
        self.installed: list[Snapshot] = []

    @property
    def running(self) -> Core:
        assert self.core is not None, self.name
        return self.core

    def token(self) -> int:
        self.counter += 1
        return origin(self.number, self.incarnation, self.counter)


class Bench:
    def __init__(self, factory: CoreFactory, options: object, count: int) -> None:
        self._factory = factory
        self._options = options
        self.members = Configuration(tuple(Member(f"n{number}", number) for number in range(1, count + 1)))
        self.seats = {member.name: Seat(member.name, member.number) for member in self.members.members}
        self.wire: list[tuple[NodeId, NodeId, Message]] = []
        self.transfers: list[tuple[NodeId, Transfer]] = []
        self.repeat = 1
        """How often each message arrives."""
        self.cut: set[NodeId] = set()
        for name in self.seats:
            self.start(name, self.members)

    def start(self, name: NodeId, members: Configuration) -> Seat:
        seat = self.seats[name]
        seat.incarnation += 1
        seat.counter = seat.serial = 0
        seat.unsynced, seat.serials, seat.committed, seat.refused, seat.done, seat.reads = [], [], [], [], [], []
        entries = [seat.disk.entries[index] for index in sorted(seat.disk.entries)]
        rng = Random(f"{name}/{seat.incarnation}")
        seat.core = self._factory(name, members, self._options, rng, seat.incarnation, seat.disk.promise, seat.disk.snapshot, entries)
        return seat

    def join(self, name: NodeId, number: int) -> Seat:
        """A node that knows nothing of the cluster."""
        self.seats[name] = Seat(name, number)
        return self.start(name, Configuration())

    def crash(self, name: NodeId) -> None:
        """What was not synced is lost."""
        self.seats[name].core = None

    def take(self, seat: Seat) -> Effects | None:
        """One turn's effects, carried out in their order."""
        effects = seat.running.take()
        if effects is None:
            return None
        seat.serials.append(effects.serial)
        self._send(seat, effects, early=True)
        seat.unsynced.append(effects)
        if effects.snapshot is not None and effects.snapshot.index > self._applied(seat):
            seat.installed.append(effects.snapshot)
            seat.committed = []
        seat.committed += effects.committed
        seat.reads += effects.reads
        seat.done += effects.done
        seat.refused += effects.refused
        self.transfers += [(seat.name, transfer) for transfer in effects.transfers]
        if not seat.held:
            self.sync(seat)
        return effects

    def sync(self, seat: Seat) -> None:
        """All batches so far become durable; the core is told of the last only."""
        batches, seat.unsynced = seat.unsynced, []
        for effects in batches:
            seat.disk.add(effects)
            self._send(seat, effects, early=False)
        if batches:
            seat.running.synced(batches[-1].serial)

    def _send(self, seat: Seat, effects: Effects, *, early: bool) -> None:
        for send in effects.sends if early else effects.sends_after_sync:
            if seat.name not in self.cut and send.to not in self.cut:
                self.wire += [(seat.name, send.to, send.message)] * self.repeat

    def _applied(self, seat: Seat) -> int:
        return seat.committed[-1].index if seat.committed else seat.disk.base

    def settle(self) -> None:
        """Until no core wants anything done and nothing is on the wire."""
        for _ in range(ROUNDS_MAX):
            busy = [self.take(seat) for seat in self.seats.values() if seat.core is not None]
            wire, self.wire = self.wire, []
            for source, destination, message in wire:
                seat = self.seats.get(destination)
                if seat is not None and seat.core is not None:
                    seat.core.receive(source, message)
            if not wire and all(effects is None for effects in busy):
                return
        raise AssertionError(f"not settled after {ROUNDS_MAX} rounds")

    def run(self, until: Callable[[], bool]) -> None:
        """Ticks on all nodes, in turn, until something holds."""
        self.settle()
        for _ in range(TICKS_MAX):
            if until():
                return
            for seat in self.seats.values():
                if seat.core is not None:
                    seat.core.tick()
            self.settle()
        raise AssertionError(f"not so after {TICKS_MAX} ticks: {[seat.core for seat in self.seats.values()]}")

    def leader(self) -> Seat | None:
        """The node that leads and whom a majority of the running nodes follow."""
        running = [seat for seat in self.seats.values() if seat.core is not None]
        for seat in running:
            if seat.running.leader == seat.name and 2 * sum(other.running.leader == seat.name for other in running) > len(running):
                return seat
        return None

    def elect(self) -> Seat:
        self.run(lambda: self.leader() is not None)
        seat = self.leader()
        assert seat is not None
        return seat

    def propose(self, seat: Seat, data: bytes) -> int:
        token = seat.token()
        seat.running.propose(data, token)
        self.settle()
        return token

    def ask(self, seat: Seat, change: Change) -> int:
        token = seat.token()
        seat.running.reconfigure(change, token)
        self.run(lambda: token in seat.done or any(refused.token == token for refused in seat.refused))
        return token

    def others(self, than: Seat) -> list[Seat]:
        return [seat for seat in self.seats.values() if seat is not than]


def commands(seat: Seat) -> list[bytes]:
    return [entry.data for entry in seat.committed if entry.kind == Kind.COMMAND]


def answered(seat: Seat) -> list[int]:
    """The tokens of reads that came to an end."""
    return [ready.token for ready in seat.reads] + [refused.token for refused in seat.refused]


class CoreContract:
    """The tests."""

    factory: CoreFactory
    options: object
    """Of an engine that keeps no log below a snapshot, so that a follower that lags needs one at once."""

    def bench(self, count: int = 3) -> Bench:
        return Bench(type(self).factory, self.options, count)

    # --- effects ---

    def test_nothing_is_to_be_done_when_nothing_happened(self) -> None:
        bench = self.bench()
        bench.settle()

        assert [None] * 3 == [seat.running.take() for seat in bench.seats.values()]

    def test_serials_grow_with_every_batch(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        for number in range(5):
            bench.propose(leader, b"%d" % number)

        for seat in bench.seats.values():
            assert seat.serials == sorted(set(seat.serials))
            assert seat.serials[0] >= 1

    def test_a_batchs_entries_are_packed_once_and_rightly(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        for number in range(3):
            leader.running.propose(b"%d" % number, leader.token())
        effects = bench.take(leader)

        assert effects is not None
        assert 3 == len(effects.entries)
        assert pack(effects.entries) == effects.packed

    def test_one_take_holds_all_that_arrived_in_a_turn(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        for number in range(50):
            leader.running.propose(b"%d" % number, leader.token())
        bench.take(leader)

        assert leader.running.take() is None

    def test_the_same_events_give_the_same_effects(self) -> None:
        one, other = self.bench(), self.bench()
        for bench in (one, other):
            bench.propose(bench.elect(), b"x")

        assert [seat.committed for seat in one.seats.values()] == [seat.committed for seat in other.seats.values()]
        assert [seat.serials for seat in one.seats.values()] == [seat.serials for seat in other.seats.values()]

    # --- leading ---

    def test_a_lone_member_comes_to_lead_by_ticks_alone(self) -> None:
        bench = self.bench(1)

        assert "n1" == bench.elect().running.leader

    def test_nobody_leads_or_commits_before_the_disk_has_synced(self) -> None:
        bench = self.bench(1)
        seat = bench.seats["n1"]
        seat.held = True
        for _ in range(TICKS_MAX):
            seat.running.tick()
            bench.settle()

        assert [] == seat.committed
        assert not [entry for effects in seat.unsynced for entry in effects.entries], "wrote entries under a promise that it may forget"

    def test_one_node_leads_and_the_others_know_it(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: all(seat.running.leader == leader.name for seat in bench.seats.values()))

        assert all(seat.running.status.leader == leader.name for seat in bench.seats.values())

    # --- proposals ---

    def test_a_proposal_ends_in_a_committed_entry_of_its_origin_on_every_node(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        token = bench.propose(leader, b"x")
        bench.run(lambda: all(commands(seat) for seat in bench.seats.values()))

        for seat in bench.seats.values():
            assert [(token, b"x")] == [(entry.origin, entry.data) for entry in seat.committed if entry.kind == Kind.COMMAND]

    def test_committed_entries_come_in_order_without_gaps_and_once(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        for number in range(20):
            bench.propose(leader, b"%d" % number)
        bench.run(lambda: all(len(commands(seat)) == 20 for seat in bench.seats.values()))

        for seat in bench.seats.values():
            assert list(range(1, len(seat.committed) + 1)) == [entry.index for entry in seat.committed]
            assert [b"%d" % number for number in range(20)] == commands(seat)

    def test_who_does_not_lead_refuses_and_names_the_leader(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: all(seat.running.leader == leader.name for seat in bench.seats.values()))
        other = bench.others(leader)[0]
        token = bench.propose(other, b"x")

        assert [(token, leader.name)] == [(refused.token, refused.leader) for refused in other.refused]
        assert [] == [data for seat in bench.seats.values() for data in commands(seat)]

    def test_a_node_without_a_leader_refuses(self) -> None:
        bench = self.bench()
        seat = bench.seats["n1"]
        token = bench.propose(seat, b"x")

        assert [(token, None)] == [(refused.token, refused.leader) for refused in seat.refused]

    def test_nothing_commits_without_a_majority_and_all_of_it_with_one(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.cut = {seat.name for seat in bench.others(leader)}
        bench.propose(leader, b"x")
        before = commands(leader)
        bench.cut = set()
        bench.run(lambda: any(commands(seat) for seat in bench.seats.values()) or bench.leader() is not leader)

        assert [] == before

    def test_messages_that_arrive_twice_change_nothing(self) -> None:
        bench = self.bench()
        bench.repeat = 2
        leader = bench.elect()
        for number in range(10):
            bench.propose(leader, b"%d" % number)
        bench.run(lambda: all(len(commands(seat)) == 10 for seat in bench.seats.values()))

        assert 1 == len({seat.running.status.term for seat in bench.seats.values()})

    def test_synced_is_cumulative(self) -> None:
        """Several batches wait; only the last serial is told."""
        bench = self.bench(1)
        seat = bench.elect()
        bench.settle()
        seat.held = True
        for number in range(4):
            bench.propose(seat, b"%d" % number)
        before = commands(seat)
        seat.held = False
        bench.sync(seat)
        bench.settle()

        assert [] == before
        assert [b"0", b"1", b"2", b"3"] == commands(seat)

    # --- reads ---

    def test_a_read_is_answered_from_an_index_that_covers_what_was_committed_before(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.propose(leader, b"x")
        bench.run(lambda: bool(commands(leader)))
        token, committed = leader.token(), leader.committed[-1].index
        leader.running.read(token)
        bench.run(lambda: any(ready.token == token for ready in leader.reads))

        assert all(ready.index >= committed for ready in leader.reads if ready.token == token)

    def test_a_leader_alone_answers_no_read(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: bool(leader.committed))
        bench.cut = {seat.name for seat in bench.others(leader)}
        token = leader.token()
        leader.running.read(token)
        bench.settle()

        assert token not in [ready.token for ready in leader.reads]

    def test_a_read_elsewhere_ends_in_an_answer_or_a_refusal(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: all(seat.running.leader == leader.name for seat in bench.seats.values()))
        other, committed = bench.others(leader)[0], leader.committed[-1].index
        token = other.token()
        other.running.read(token)
        bench.run(lambda: token in answered(other))

        assert all(ready.index >= committed for ready in other.reads if ready.token == token)

    def test_a_lease_read_is_answered_or_refused_but_never_forgotten(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: bool(leader.committed))
        token = leader.token()
        leader.running.read(token, lease=True)
        bench.run(lambda: token in answered(leader))

        assert all(ready.index >= leader.committed[0].index for ready in leader.reads if ready.token == token)

    # --- restarts ---

    def test_what_was_committed_survives_a_restart_of_all(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        for number in range(5):
            bench.propose(leader, b"%d" % number)
        for name in bench.seats:
            bench.crash(name)
        for name in bench.seats:
            bench.start(name, bench.members)
        again = bench.elect()
        bench.propose(again, b"after")
        bench.run(lambda: b"after" in commands(again))

        assert [b"0", b"1", b"2", b"3", b"4", b"after"] == commands(again)

    def test_a_restarted_core_stands_where_its_disk_says(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.propose(leader, b"x")
        before = leader.running.status
        bench.crash(leader.name)
        after = bench.start(leader.name, bench.members).running.status

        assert (before.term, before.last, before.last) == (after.term, after.last, after.durable)
        assert after.leader is None

    def test_what_was_not_synced_may_be_lost_without_harm(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.propose(leader, b"kept")
        other = bench.others(leader)[0]
        other.held = True
        bench.propose(leader, b"unsynced here")
        bench.crash(other.name)
        other.held = False
        bench.start(other.name, bench.members)
        bench.run(lambda: len(commands(other)) == 2)

        assert [b"kept", b"unsynced here"] == commands(other)

    # --- snapshots ---

    def snapshot_of(self, bench: Bench, seat: Seat) -> Snapshot:
        last = seat.committed[-1]
        return Snapshot(f"{seat.name}-{last.index}", last.index, last.term, bench.members)

    def test_compaction_marks_the_snapshot_in_the_log_and_a_restart_begins_there(self) -> None:
        bench = self.bench(1)
        seat = bench.elect()
        bench.propose(seat, b"x")
        snapshot = self.snapshot_of(bench, seat)
        seat.running.compact(snapshot)
        bench.settle()
        marked = seat.disk.snapshot
        bench.crash("n1")
        seat = bench.start("n1", bench.members)
        bench.elect()
        bench.propose(seat, b"y")

        assert snapshot == marked
        assert snapshot.index + 1 == seat.committed[0].index
        assert [b"y"] == commands(seat)

    def test_an_older_snapshot_than_the_last_is_ignored(self) -> None:
        bench = self.bench(1)
        seat = bench.elect()
        bench.propose(seat, b"x")
        old = self.snapshot_of(bench, seat)
        bench.propose(seat, b"y")
        new = self.snapshot_of(bench, seat)
        seat.running.compact(new)
        bench.settle()
        seat.running.compact(old)
        bench.settle()

        assert new == seat.disk.snapshot

    def lagging(self, bench: Bench) -> tuple[Seat, Seat, Snapshot]:
        """(leader, a follower that lacks what the leader has compacted, the snapshot it needs)."""
        leader = bench.elect()
        bench.run(lambda: all(seat.running.leader == leader.name for seat in bench.seats.values()))
        follower = bench.others(leader)[0]
        bench.cut = {follower.name}
        for number in range(5):
            bench.propose(leader, b"%d" % number)
        snapshot = self.snapshot_of(bench, leader)
        leader.running.compact(snapshot)
        bench.settle()
        bench.cut = set()
        bench.run(lambda: bool(bench.transfers))
        return leader, follower, snapshot

    def test_a_follower_that_lacks_what_is_gone_is_streamed_the_snapshot(self) -> None:
        bench = self.bench()
        leader, follower, snapshot = self.lagging(bench)
        asked = bench.transfers.pop()
        follower.running.received(leader.name, snapshot)
        leader.running.transferred(follower.name, snapshot, True)
        bench.settle()
        bench.propose(leader, b"after")
        bench.run(lambda: b"after" in commands(follower))

        assert (leader.name, Transfer(follower.name, snapshot)) == asked
        assert [snapshot] == follower.installed
        assert snapshot == follower.disk.snapshot
        assert [b"after"] == commands(follower)

    def test_a_transfer_that_failed_is_asked_for_again(self) -> None:
        bench = self.bench()
        leader, follower, snapshot = self.lagging(bench)
        bench.transfers.clear()
        leader.running.transferred(follower.name, snapshot, False)
        bench.run(lambda: bool(bench.transfers))

        assert [(leader.name, Transfer(follower.name, snapshot))] == bench.transfers

    def test_a_snapshot_that_comes_late_changes_nothing(self) -> None:
        bench = self.bench()
        leader, follower, snapshot = self.lagging(bench)
        for _ in range(2):
            follower.running.received(leader.name, snapshot)
            leader.running.transferred(follower.name, snapshot, True)
            bench.propose(leader, b"after")
            bench.settle()

        assert [snapshot] == follower.installed

    # --- peers ---

    def test_losing_any_connection_is_only_a_hint(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        for seat in bench.seats.values():
            for name in ("n1", "n2", "n3", "nobody"):
                seat.running.unreachable(name)
        bench.settle()
        token = bench.propose(bench.elect(), b"x")
        bench.run(lambda: any(commands(seat) for seat in bench.seats.values()))

        assert token
        assert leader.running.status.term >= 1

    def test_a_stall_of_any_length_is_survived(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        leader.running.tick(1_000_000)
        bench.settle()
        bench.run(lambda: bench.leader() is not None)
        again = bench.elect()
        bench.propose(again, b"x")
        bench.run(lambda: b"x" in commands(again))

        assert [b"x"] == commands(again)


class MembershipContract(CoreContract):
    """For engines that change their members and hand over leadership."""

    def test_a_learner_is_added_promoted_and_removed(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.propose(leader, b"x")
        joining = bench.join("n4", 4)
        added = bench.ask(leader, AddLearner(Member("n4", 4, voter=False)))
        bench.run(lambda: commands(joining) == [b"x"])
        learner = leader.running.configuration.get("n4")
        promoted = bench.ask(leader, Promote("n4"))
        voters = leader.running.configuration.voters
        removed = bench.ask(leader, Remove("n4"))

        assert [added, promoted, removed] == leader.done
        assert learner is not None
        assert not learner.voter
        assert {"n1", "n2", "n3", "n4"} == voters
        assert ("n1", "n2", "n3") == leader.running.configuration.names

    def test_a_change_that_makes_no_sense_is_refused(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: bool(leader.committed))
        tokens = [bench.ask(leader, change) for change in (Promote("nobody"), Remove("nobody"))]

        assert tokens == [refused.token for refused in leader.refused]
        assert [] == leader.done

    def test_leadership_is_handed_over(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: all(seat.running.leader == leader.name for seat in bench.seats.values()))
        target, token = bench.others(leader)[0], leader.token()
        leader.running.transfer(target.name, token)
        bench.run(lambda: bench.leader() is target)

        assert [token] == leader.done

    def test_a_hand_over_to_a_dead_node_is_refused_in_time_and_leading_goes_on(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: all(seat.running.leader == leader.name for seat in bench.seats.values()))
        target, token = bench.others(leader)[0], leader.token()
        bench.crash(target.name)
        leader.running.transfer(target.name, token)
        bench.run(lambda: bool(leader.refused))
        bench.propose(leader, b"x")

        assert [token] == [refused.token for refused in leader.refused]
        assert [b"x"] == commands(leader)
