"""Faults carried out: in the plan's order, ended when their node is ready, and those that last to the end left to the healing."""

import asyncio
from collections.abc import Coroutine, Sequence
from random import Random
from typing import TypeVar

import pytest

from quorate.cluster.chaos.ongoing import Ongoing
from quorate.cluster.chaos.record import FaultBand
from quorate.cluster.chaos.schedule import Planned
from quorate.cluster.chaos.strikes import Strikes
from quorate.cluster.chaos.vocabulary import Fault, parse
from quorate.cluster.simulation.loop import SimulatedLoop
from quorate.cluster.wire.errors import Unavailable
from quorate.protocols.simulation.schedule import Schedule

T = TypeVar("T")


def in_virtual_time(work: Coroutine[object, object, T]) -> T:
    loop = SimulatedLoop(Schedule(Random(1)))  # type: ignore[abstract]
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


class Fakes:
    """Acts and observer in one: what was done, in order. Nodes in `silent` are ready when their event is set."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.impossible: set[str] = set()
        self.silent: dict[str, asyncio.Event] = {}

    async def begin(self, fault: Fault, *, ttl_s: float, seed: int) -> Ongoing:
        if str(fault) in self.impossible:
            raise Unavailable("nobody leads")
        self.done.append(f"begin {fault}")
        words = str(fault).split()
        links = ("n1>n2",) if words[0] == "cut" else ()
        ongoing = Ongoing(f"{seed}", fault, seed, ttl_s, () if links else (words[1],), 0, links)
        ongoing.add("processes", 1)
        return ongoing

    async def end(self, ongoing: Ongoing) -> Ongoing:
        self.done.append(f"end {ongoing.fault}")
        return ongoing

    async def wait_ready(self, name: str, within_s: float) -> None:
        if name in self.silent:
            await self.silent[name].wait()


def plan(*rows: tuple[str, float, float], drawn: bool = False) -> list[Planned]:
    return [Planned(number, text, parse(text), at_s, for_s, number, drawn) for number, (text, at_s, for_s) in enumerate(rows, 1)]


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


def strikes(fakes: Fakes) -> Strikes:
    return Strikes(fakes, fakes, lambda: float(len(fakes.done)), lambda words: None)


def carried_out(fakes: Fakes, planned: Sequence[Planned], duration_s: float) -> Strikes:
    made = strikes(fakes)
    in_virtual_time(made.carry_out(planned, duration_s))
    return made


def test_faults_begin_and_end_in_the_order_of_the_plan_and_the_last_is_left_to_the_healing(fakes: Fakes) -> None:
    made = carried_out(fakes, plan(("kill n1", 0, 1), ("kill n2", 2, 1), ("kill n3", 4, 2)), 6)

    assert ["begin kill n1", "end kill n1", "begin kill n2", "end kill n2", "begin kill n3"] == fakes.done
    assert ["1", "2"] == [band.id for band in made.bands]

    made.close()

    assert ["1", "2", "3"] == [band.id for band in made.bands]
    assert FaultBand("1", "kill", "kill n1", ("n1",), (), 0.0, 2.0, {"processes": 1}) == made.bands[0]


def test_a_fault_waits_for_those_before_it_until_their_nodes_are_ready_again(fakes: Fakes) -> None:
    """1. n1 is down from 0 to 1 s. 2. It is not ready. 3. n2 is to be killed at 2 s, and is not. 4. n1 is ready at 5 s; n2 is killed."""

    async def slowly() -> tuple[Strikes, list[str]]:
        fakes.silent["n1"] = asyncio.Event()
        made = strikes(fakes)
        carrying = asyncio.ensure_future(made.carry_out(plan(("kill n1", 0, 1), ("kill n2", 2, 1)), 60))
        await asyncio.sleep(5)
        before = list(fakes.done)
        assert () == made.bands, "n1 is not ready yet"
        fakes.silent["n1"].set()
        await carrying
        return made, before

    made, before = in_virtual_time(slowly())

    assert ["begin kill n1", "end kill n1"] == before
    assert ["begin kill n2", "end kill n2"] == fakes.done[2:]
    assert ["1", "2"] == [band.id for band in made.bands]


def test_what_has_waited_until_the_end_of_the_plan_is_left_out(fakes: Fakes) -> None:
    async def for_ever() -> Strikes:
        fakes.silent["n1"] = asyncio.Event()
        made = strikes(fakes)
        asyncio.get_running_loop().call_later(10, fakes.silent["n1"].set)
        await made.carry_out(plan(("kill n1", 0, 1), ("kill n2", 2, 1)), 6)
        return made

    made = in_virtual_time(for_ever())

    assert ["begin kill n1", "end kill n1"] == fakes.done
    assert [] == made.troubles


def test_faults_that_overlap_in_the_plan_do_not_wait(fakes: Fakes) -> None:
    carried_out(fakes, plan(("kill n1", 0, 2), ("cut --link n1>n2", 1, 2)), 5)

    assert ["begin kill n1", "begin cut --link n1>n2"] == fakes.done[:2]


def test_links_make_no_node_of_a_band_faulty(fakes: Fakes) -> None:
    made = carried_out(fakes, plan(("cut --link n1>n2", 0, 1)), 2)

    assert [((), ("n1>n2",))] == [(band.nodes, band.links) for band in made.bands]


def test_what_the_scenario_says_must_be_possible_and_what_the_seed_draws_need_not(fakes: Fakes) -> None:
    fakes.impossible = {"kill n1"}
    told = carried_out(fakes, plan(("kill n1", 0, 1)), 2)
    drawn = carried_out(fakes, plan(("kill n1", 0, 1), drawn=True), 2)

    assert (["`kill n1` could not begin: nobody leads."], []) == (told.troubles, told.skipped)
    assert ([], ["`kill n1` could not begin: nobody leads."]) == (drawn.troubles, drawn.skipped)
    assert () == told.bands + drawn.bands


def test_the_bands_that_the_seed_drew_are_known(fakes: Fakes) -> None:
    made = carried_out(fakes, plan(("kill n1", 0, 1), drawn=True), 2)

    assert ({"1"}, ["1"]) == (made.drawn, [band.id for band in made.bands])
