"""Numbered strikes: each has dice of its own, so that any may be left out; and what they reached is counted."""

import pytest

from quorate.protocols.core import Effects
from quorate.protocols.simulation import Campaign, Result, swarm
from quorate.protocols.simulation.aim import Aim
from quorate.protocols.simulation.campaign import LIVENESS, PROGRESS, SAFETY
from quorate.protocols.simulation.coverage import PHASES, ROLES
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.swarm import FAULTS
from quorate.protocols.simulation.workload import Operation


def run(seed: int, omitted: frozenset[int] = frozenset(), steps: int = 4_000) -> Result:
    return Campaign(RAFT, seed, omitted=omitted).run(steps, liveness=False)


def test_to_leave_one_strike_out_moves_no_other() -> None:
    whole = {strike.number: (strike.at_ns, strike.fault) for strike in run(13).strikes}
    assert len(whole) >= 5
    for left_out in list(whole)[:5]:
        less = {strike.number: (strike.at_ns, strike.fault) for strike in run(13, frozenset({left_out})).strikes}
        common = whole.keys() & less.keys()

        assert left_out not in less
        assert len(common) >= 4
        assert {number: whole[number] for number in common} == {number: less[number] for number in common}


def test_with_all_strikes_left_out_nothing_happens() -> None:
    assert [] == run(13, frozenset(range(1_000))).strikes


def test_a_run_says_which_strikes_it_left_out() -> None:
    assert frozenset({3, 4}) == run(13, frozenset({3, 4}), steps=10).omitted


def test_the_choice_of_a_victim_does_not_depend_on_those_that_were_not_chosen() -> None:
    """Take every other node away: whoever was chosen is chosen still, because it ranks first."""
    for number in range(30):
        campaign = Campaign(RAFT, 1, nodes=5)
        world = campaign.world
        for node in world.nodes.values():
            world.start(node)
        chosen = Aim(world, number).one()
        assert chosen is not None
        for node in list(world.nodes.values()):
            if node is not chosen and node.number % 2:
                world.crash(node)

        assert chosen is Aim(world, number).one()


def test_strikes_choose_different_victims() -> None:
    campaign = Campaign(RAFT, 1, nodes=5)
    first = {Aim(campaign.world, number).shuffled()[0] for number in range(40)}

    assert {"n1", "n2", "n3", "n4", "n5"} == first


def test_a_strike_says_what_it_hit() -> None:
    strikes = {strike.fault: strike for seed in range(30) for strike in run(seed, steps=1_500).strikes}

    assert "(" in strikes["crash"].hit
    assert ">" in strikes["halves"].hit
    assert "ppm" in strikes["drift"].hit


def test_coverage_names_fault_role_and_phase() -> None:
    seen: set[tuple[str, str, str]] = set()
    for seed in range(80):
        seen |= run(seed).coverage.keys()

    assert [] == [place for place in seen if place[0] not in FAULTS or place[1] not in ROLES or place[2] not in PHASES]
    assert set(ROLES) == {role for _, role, _ in seen}
    assert set(PHASES) == {phase for _, _, phase in seen}


def test_a_violation_of_the_safety_phase_shows_again_when_the_run_is_cut_there() -> None:
    class Trips(Node):
        def carry_out(self, effects: Effects) -> None:
            if self.host.watch.ledger.end > 10:
                raise Violation("planted", "more than ten entries are committed")
            super().carry_out(effects)

    def trip(steps: int) -> Result:
        return Campaign(RAFT, 5, node_class=Trips).run(steps, liveness=False)

    whole = trip(5_000)
    assert whole.violation is not None
    assert (SAFETY, whole.events) == (whole.phase, whole.steps)
    cut, shorter = trip(whole.events), trip(whole.events - 1)

    assert (whole.fingerprint, whole.events) == (cut.fingerprint, cut.events)
    assert cut.violation is not None
    assert shorter.violation is None


def test_a_violation_of_a_later_phase_names_it() -> None:
    class Deaf(Node):
        def request(self, operation: Operation) -> None: ...

    result = Campaign(RAFT, 2, node_class=Deaf).run(200)

    assert result.violation is not None
    assert (PROGRESS, LIVENESS, 200) == (result.violation.invariant, result.phase, result.steps)


@pytest.mark.parametrize("clients", [1, 2])
def test_a_world_may_have_fewer_clients_and_nodes_than_its_seed_says(clients: int) -> None:
    settings = swarm(9, 2)
    settings.clients = clients
    result = Campaign(RAFT, 9, settings=settings).run(500)

    assert (2, clients) == (result.settings.nodes, result.settings.clients)
