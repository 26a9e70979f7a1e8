"""What every engine keeps that changes its members and hands over leadership: the contract of cores, and this."""

from quorate.protocols.core import (
    AddLearner,
    Member,
    Promote,
    Remove,
)
from tests.contracts.bench import commands
from tests.contracts.core import CoreContract


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
        bench.propose(leader, b"first")
        bench.run(lambda: bool(commands(leader)))
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
