"""The shrinker: what it hands back fails with the same invariant, and nothing that is left can be left out.

First on made-up runs, where it is known what the failure needs; then on engines that lack a safeguard.
"""

from dataclasses import replace

import pytest

from quorate.protocols.simulation import Result, Strike, Violation, swarm
from quorate.protocols.simulation.ablations import rows_of
from quorate.protocols.simulation.campaign import LIVENESS
from quorate.protocols.simulation.case import Case, Subject, read_numbers, write_numbers
from quorate.protocols.simulation.shrink import Holds, Run, shrink

STRIKES = 64
"""One every 100 steps."""


class World:
    """A made-up world: it breaks at step `at` if all strikes of `needs` before it have happened and it is large enough."""

    def __init__(self, needs: set[int], *, at: int = 6_000, nodes: int = 1, clients: int = 1, phase: str = "safety") -> None:
        self.needs, self.at, self.nodes, self.clients, self.phase = needs, at, nodes, clients, phase
        self.runs: list[Case] = []

    def run(self, case: Case) -> Result:
        self.runs.append(case)
        settings = swarm(1)
        settings.nodes, settings.clients = case.nodes or 5, case.clients or 8
        result = Result(case.seed, settings)
        last = min(case.steps, self.at) // 100
        result.strikes = [
            Strike(number, number * 100, "crash", f"n{number}")
            for number in range(min(STRIKES, last))
            if case.only is None or number in case.only
        ]
        happened = {strike.number for strike in result.strikes}
        large = settings.nodes >= self.nodes and settings.clients >= self.clients
        result.events = case.steps + 500
        if self.needs <= happened and large and case.steps >= self.at:
            result.violation, result.phase = Violation("it breaks", f"after {sorted(happened)}"), self.phase
            result.events = self.at if self.phase == "safety" else case.steps + 300
        elif len(happened) == 7:
            result.violation = Violation("something else breaks", "seven at once")
        return result


@pytest.mark.parametrize("needs", [set(), {0}, {7}, {59}, {3, 17}, {0, 1, 2}, {5, 20, 21, 40, 59}, set(range(10, 30))])
def test_the_strikes_that_are_left_are_those_that_it_takes(needs: set[int]) -> None:
    world = World(needs)
    small = shrink(Case(1, 10_000), world.run)

    assert small.minimal
    assert Case(1, 6_000, nodes=1, clients=1, only=frozenset(needs)) == replace(small.case, only=small.case.only or frozenset())
    assert small.runs == len(world.runs) == len(set(world.runs)), "no case is run twice"


def test_nodes_and_clients_are_as_few_as_it_takes() -> None:
    small = shrink(Case(1), World({3, 17}, nodes=3, clients=4).run)

    assert (3, 4) == (small.case.nodes, small.case.clients)


def test_another_invariant_is_another_failure() -> None:
    """Seven strikes at once break something else; that is never taken for the smaller case."""
    small = shrink(Case(1), World(set(range(8, 16))).run)

    assert small.result.violation is not None
    assert "it breaks" == small.result.violation.invariant
    assert frozenset(range(8, 16)) == small.case.only


def test_a_failure_of_a_later_phase_is_given_fewer_steps_first() -> None:
    small = shrink(Case(1), World({3}, at=700, phase=LIVENESS).run)

    assert small.minimal
    assert 700 <= small.case.steps < 700 + 32
    assert frozenset({3}) == small.case.only


def test_the_budget_of_runs_is_kept_and_what_was_found_so_far_is_handed_back() -> None:
    world = World({5, 20, 21, 40, 59})
    whole = shrink(Case(1), world.run)
    for budget in (1, 2, 5, whole.runs - 1):
        world.runs.clear()
        small = shrink(Case(1), world.run, runs_max=budget)

        assert budget == len(world.runs) == small.runs
        assert not small.minimal
        assert small.result.violation is not None
        assert {5, 20, 21, 40, 59} <= (small.case.only or set(range(STRIKES)))


def test_progress_is_told_and_never_grows() -> None:
    told: list[tuple[int, Case]] = []
    shrink(Case(1), World({3, 17}).run, progress=lambda runs, best: told.append((runs, best)))

    sizes = [len(best.only) if best.only is not None else STRIKES for _, best in told]
    assert sorted(sizes, reverse=True) == sizes
    assert [runs for runs, _ in told] == sorted(runs for runs, _ in told)


def test_ctrl_c_ends_it_with_the_smallest_so_far() -> None:
    world = World({5, 20, 21, 40, 59})

    def run(case: Case) -> Result:
        if len(world.runs) == 12:
            raise KeyboardInterrupt
        return world.run(case)

    small = shrink(Case(1), run)

    assert not small.minimal
    assert {5, 20, 21, 40, 59} <= (small.case.only or set(range(STRIKES)))
    assert 6_000 == small.case.steps


def test_shrinking_is_deterministic() -> None:
    assert shrink(Case(1), World({5, 20, 40}).run).runs == shrink(Case(1), World({5, 20, 40}).run).runs


def test_a_case_that_holds_cannot_be_shrunk() -> None:
    run: Run = World({1}, nodes=9).run

    with pytest.raises(Holds, match="seed 12 breaks no invariant"):
        shrink(Case(12), run)


# --- how a case is written ---


@pytest.mark.parametrize(
    ("numbers", "text"), [((), "none"), ((0,), "0"), ((3, 5, 6, 7), "3,5-7"), ((1, 2), "1-2"), ((1, 3, 5), "1,3,5"), (range(100), "0-99")]
)
def test_numbers_are_written_as_ranges_and_read_back(numbers: tuple[int, ...], text: str) -> None:
    assert text == write_numbers(frozenset(numbers))
    assert frozenset(numbers) == read_numbers(text)


@pytest.mark.parametrize("text", ["", "x", "3-", "-3", "3,,4", "3, 4", "3;4", "1-2-3", "9-3", "9999999999"])
def test_what_is_no_list_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"3,5-9|a range goes"):
        read_numbers(text)


def test_a_case_is_written_as_the_options_that_replay_it() -> None:
    assert "--seed 7" == Case(7).options()
    assert "--seed 7 --steps 300 --nodes 3 --clients 1 --only 2,4-5" == Case(7, 300, 3, 1, frozenset({5, 2, 4})).options()


# --- engines that lack a safeguard ---

STEPS = 2_000
SEEDS = 300
"""Tried in order: which seed misses a safeguard changes with the simulator."""
STRIKES_MIN = 6
"""A world in which fewer things went wrong says little about making it small."""

LACKING = ("VotesTwice", "TermNotPersisted", "CommitsOldTermsByCounting", "NoCheckQuorum")


@pytest.mark.parametrize("name", LACKING)
def test_a_failing_world_becomes_small_and_fails_in_the_same_way(name: str) -> None:
    [row] = [row for row in rows_of("raft") if row.name == name]
    subject = Subject(row.engine, row.node_class, row.disk_class, row.sessions)
    case, before = next(
        (case, result)
        for case in (Case(seed, STEPS) for seed in range(SEEDS))
        if (result := subject.run(case)).violation is not None and len(result.strikes) >= STRIKES_MIN
    )
    small = shrink(case, subject.run)
    again = subject.run(small.case)

    assert small.minimal
    assert before.violation is not None and again.violation is not None
    assert before.violation.invariant == again.violation.invariant
    assert (small.result.events, small.result.fingerprint) == (again.events, again.fingerprint), "the case replays what was found"
    assert small.case.steps <= min(before.events, case.steps)
    assert len(again.strikes) <= len(before.strikes) // 2
    for left_out in again.strikes:
        fewer = replace(small.case, only=frozenset(strike.number for strike in again.strikes if strike is not left_out))
        violation = subject.run(fewer).violation
        assert violation is None or violation.invariant != before.violation.invariant, f"{left_out} is not needed"
