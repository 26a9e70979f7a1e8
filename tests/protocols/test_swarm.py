"""What seeds make of worlds: every profile, nothing impossible, and no lease where clocks may jump."""

from quorate.protocols.raft import RaftOptions
from quorate.protocols.simulation import swarm
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.swarm import FAULTS, PROFILES

WORLDS = [swarm(seed) for seed in range(400)]


def test_every_profile_is_some_seeds_and_favours_its_faults() -> None:
    for name, favoured in PROFILES.items():
        worlds = [world for world in WORLDS if world.profile == name]
        often = [sum(weight for world in worlds for fault, weight in zip(FAULTS, world.weights) if fault == one) for one in FAULTS]

        assert len(worlds) > len(WORLDS) // len(PROFILES) // 2
        assert favoured <= set(FAULTS)
        assert favoured == {fault for fault, weight in zip(FAULTS, often) if weight >= 4 * len(worlds)} & favoured
        assert all(weight < 4 * len(worlds) for fault, weight in zip(FAULTS, often) if favoured and fault not in favoured)


def test_every_fault_is_absent_from_some_worlds_and_present_in_others() -> None:
    for at, fault in enumerate(FAULTS):
        assert {True, False} == {world.weights[at] > 0 for world in WORLDS}, fault


def test_nobody_relies_on_a_lease_where_clocks_may_jump() -> None:
    jumping = [world for world in WORLDS if world.clocks_jump]

    assert jumping
    assert {0} == {world.lease_ppm for world in jumping}


def test_raft_is_tried_with_options_that_hang_together() -> None:
    """RaftOptions refuses others; and both paces of elections occur."""
    tried = [RAFT.options(world) for world in WORLDS]

    assert {10, 20} == {options.election_ticks for options in tried if isinstance(options, RaftOptions)}
