"""Log shipping keeps the contract of every core, but for what takes a quorum: those tests are turned into what it does instead."""

import pytest

from quorate.protocols.core import CoreFactory, PromoteByHand, Remove
from quorate.protocols.logship import LogshipOptions, logship
from tests.contracts.bench import Bench, commands
from tests.contracts.membership import MembershipContract


class TestLogship(MembershipContract):
    factory: CoreFactory = staticmethod(logship)
    options = LogshipOptions(heartbeat_ticks=2, silence_ticks=20, ack_timeout_ticks=5, margin_entries=0)

    def test_one_take_holds_all_that_arrived_in_a_turn(self) -> None:
        """Its own disk is enough to commit: only that is left to be told."""
        bench = self.bench()
        primary = bench.elect()
        for number in range(50):
            primary.running.propose(b"%d" % number, primary.token())
        first, second = bench.take(primary), primary.running.take()

        assert first is not None
        assert 50 == len(first.entries)
        assert second is None or (second.committed and not second.writes and not second.sends_after_sync)

    def test_nothing_commits_without_a_majority_and_all_of_it_with_one(self) -> None:
        """It asks nobody: what is acknowledged alone, others never heard of."""
        bench = self.bench()
        primary = bench.elect()
        bench.run(lambda: all(seat.running.leader == primary.name for seat in bench.seats.values()))
        bench.cut = {seat.name for seat in bench.others(primary)}
        bench.propose(primary, b"x")

        assert [b"x"] == commands(primary)
        assert [] == [data for seat in bench.others(primary) for data in commands(seat)]

    def test_a_leader_alone_answers_no_read(self) -> None:
        """It answers, from what it knows itself."""
        bench = self.bench()
        primary = bench.elect()
        bench.cut = {seat.name for seat in bench.others(primary)}
        token = primary.token()
        primary.running.read(token)
        bench.settle()

        assert token in [ready.token for ready in primary.reads]

    def test_the_primary_cannot_be_removed(self) -> None:
        bench = self.bench()
        primary = bench.elect()
        token = bench.ask(primary, Remove(primary.name))

        assert [(token, "n1 is the primary, and nobody would take over; transfer first")] == [
            (refused.token, refused.detail) for refused in primary.refused
        ]

    @pytest.mark.parametrize("dies", [True, False])
    def test_a_replica_is_promoted_by_hand_and_the_others_follow_it(self, dies: bool) -> None:
        bench = self.bench()
        former = bench.elect()
        bench.propose(former, b"x")
        if dies:
            bench.crash(former.name)
        heir = bench.others(former)[1]
        token = heir.token()
        heir.running.reconfigure(PromoteByHand(heir.name), token)
        bench.run(lambda: bench.leader() is heir)
        bench.propose(heir, b"y")
        bench.run(lambda: all(commands(seat) == [b"x", b"y"] for seat in bench.seats.values() if seat.core is not None))

        assert [token] == heir.done
        assert 2003 == heir.running.status.term

    def test_who_is_promoted_by_hand_must_be_asked_itself(self) -> None:
        bench = self.bench()
        primary = bench.elect()
        token = bench.ask(primary, PromoteByHand("n2"))

        assert [(token, "this is n1: who is to be promoted by hand must be asked itself")] == [
            (refused.token, refused.detail) for refused in primary.refused
        ]


class TestSemisynchronous(TestLogship):
    options = LogshipOptions(semisync=True, heartbeat_ticks=2, silence_ticks=20, ack_timeout_ticks=5, margin_entries=0)

    def test_nothing_commits_without_a_majority_and_all_of_it_with_one(self) -> None:
        """It waits for one replica, but not for ever."""
        bench = self.bench()
        primary = bench.elect()
        bench.run(lambda: all(seat.running.leader == primary.name for seat in bench.seats.values()))
        bench.cut = {seat.name for seat in bench.others(primary)}
        bench.propose(primary, b"x")
        before = commands(primary)
        bench.run(lambda: bool(commands(primary)))

        assert [] == before
        assert [b"x"] == commands(primary)

    def test_a_leader_alone_answers_no_read(self) -> None:
        bench = self.bench()
        primary = bench.elect()
        bench.run(lambda: primary.running.status.commit > 0)
        bench.cut = {seat.name for seat in bench.others(primary)}
        token = primary.token()
        primary.running.read(token)
        bench.settle()

        assert token in [ready.token for ready in primary.reads]


def test_one_acknowledgement_is_enough_and_none_is_counted_twice() -> None:
    options = LogshipOptions(semisync=True, acks=2, heartbeat_ticks=2, silence_ticks=20, ack_timeout_ticks=15, margin_entries=0)
    bench = Bench(logship, options, 3)
    primary = bench.elect()
    bench.run(lambda: all(seat.running.leader == primary.name for seat in bench.seats.values()))
    bench.run(lambda: primary.running.status.commit > 0)
    bench.repeat = 2
    bench.cut = {"n3"}
    bench.propose(primary, b"x")
    alone = commands(primary)
    bench.cut = set()
    bench.run(lambda: bool(commands(primary)))

    assert [] == alone
    assert [b"x"] == commands(primary)
