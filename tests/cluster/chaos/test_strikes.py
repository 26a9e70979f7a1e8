"""Faults carried out: in the plan's order, ended when their node is ready, and those that last to the end left to the healing."""

import asyncio
from collections.abc import Sequence

import pytest

from quorate.cluster.chaos.ongoing import Ongoing
from quorate.cluster.chaos.schedule import Planned
from quorate.cluster.chaos.strikes import Strikes
from quorate.cluster.chaos.vocabulary import Fault, parse
from quorate.cluster.wire.errors import Unavailable
from tests.support.waiting import until


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


async def carried_out(fakes: Fakes, planned: Sequence[Planned], duration_s: float) -> Strikes:
    made = strikes(fakes)
    await made.carry_out(planned, duration_s)
    return made


async def test_faults_begin_and_end_in_the_order_of_the_plan_and_the_last_is_left_to_the_healing(fakes: Fakes) -> None:
    made = await carried_out(fakes, plan(("kill n1", 0, 0.01), ("kill n2", 0.02, 0.01), ("kill n3", 0.04, 0.02)), 0.06)

    assert ["begin kill n1", "end kill n1", "begin kill n2", "end kill n2", "begin kill n3"] == fakes.done
    assert ["1", "2"] == [band.id for band in made.bands]

    made.close()

    assert ["1", "2", "3"] == [band.id for band in made.bands]
    assert ("kill", "kill n1", ("n1",), (), 0.0, 2.0, {"processes": 1}) == (
        made.bands[0].kind,
        made.bands[0].text,
        made.bands[0].nodes,
        made.bands[0].links,
        made.bands[0].start_ms,
        made.bands[0].end_ms,
        made.bands[0].touched,
    )


async def test_a_fault_waits_for_those_before_it_until_their_nodes_are_ready_again(fakes: Fakes) -> None:
    fakes.silent["n1"] = asyncio.Event()
    made = strikes(fakes)
    carrying = asyncio.ensure_future(made.carry_out(plan(("kill n1", 0, 0.01), ("kill n2", 0.02, 10)), 60))
    await until(lambda: "end kill n1" in fakes.done, "the end of n1's")
    assert () == made.bands, "n1 is not ready yet"
    fakes.silent["n1"].set()
    await until(lambda: "begin kill n2" in fakes.done, "the beginning of n2's")

    assert ["1"] == [band.id for band in made.bands]

    carrying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carrying


async def test_faults_that_overlap_in_the_plan_do_not_wait(fakes: Fakes) -> None:
    await carried_out(fakes, plan(("kill n1", 0, 0.02), ("cut --link n1>n2", 0.01, 0.02)), 0.05)

    assert ["begin kill n1", "begin cut --link n1>n2"] == fakes.done[:2]


async def test_links_make_no_node_of_a_band_faulty(fakes: Fakes) -> None:
    made = await carried_out(fakes, plan(("cut --link n1>n2", 0, 0.01)), 0.02)

    assert [((), ("n1>n2",))] == [(band.nodes, band.links) for band in made.bands]


async def test_what_the_scenario_says_must_be_possible_and_what_the_seed_draws_need_not(fakes: Fakes) -> None:
    fakes.impossible = {"kill n1"}
    told = await carried_out(fakes, plan(("kill n1", 0, 0.01)), 0.02)
    drawn = await carried_out(fakes, plan(("kill n1", 0, 0.01), drawn=True), 0.02)

    assert (["`kill n1` could not begin: nobody leads."], []) == (told.troubles, told.skipped)
    assert ([], ["`kill n1` could not begin: nobody leads."]) == (drawn.troubles, drawn.skipped)
    assert () == told.bands + drawn.bands
