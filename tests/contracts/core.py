"""What every engine's factory keeps: subclass CoreContract and give it `factory` and `options`."""

from quorate.protocols.core import (
    CoreFactory,
    Kind,
    Snapshot,
    Transfer,
)
from quorate.protocols.log import pack
from tests.contracts.bench import TICKS_MAX, Bench, Seat, answered, commands


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
        bench.propose(leader, b"first")
        bench.run(lambda: bool(commands(leader)))
        bench.cut = {seat.name for seat in bench.others(leader)}
        token = leader.token()
        leader.running.read(token)
        bench.settle()

        assert token not in [ready.token for ready in leader.reads]

    def test_a_read_elsewhere_ends_in_an_answer_or_a_refusal(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: all(seat.running.leader == leader.name for seat in bench.seats.values()))
        bench.propose(leader, b"first")
        bench.run(lambda: bool(commands(leader)))
        other, committed = bench.others(leader)[0], leader.committed[-1].index
        token = other.token()
        other.running.read(token)
        bench.run(lambda: token in answered(other))

        assert all(ready.index >= committed for ready in other.reads if ready.token == token)

    def test_a_lease_read_is_answered_or_refused_but_never_forgotten(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.propose(leader, b"first")
        bench.run(lambda: bool(commands(leader)))
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

    def notice(self, bench: Bench, leader: Seat) -> None:
        """Give the leader the time that it needs to go on without a node that just died."""

    def lagging(self, bench: Bench) -> tuple[Seat, Seat, Snapshot]:
        """(leader, a follower that lacks what the leader has compacted, the snapshot it needs)."""
        leader = bench.elect()
        bench.run(lambda: all(seat.running.leader == leader.name for seat in bench.seats.values()))
        follower = bench.others(leader)[0]
        bench.crash(follower.name)
        self.notice(bench, leader)
        for number in range(5):
            bench.propose(leader, b"%d" % number)
        snapshot = self.snapshot_of(bench, leader)
        leader.running.compact(snapshot)
        bench.settle()
        bench.start(follower.name, bench.members)
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
