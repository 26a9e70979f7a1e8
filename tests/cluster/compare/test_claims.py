"""Verdicts follow from the figures by stated rules: confirmed, refuted, or not decided, and never guessed."""

from dataclasses import replace

import pytest

from quorate.cluster.compare.claims import (
    ELECTS_FASTER,
    GOES_ON,
    MAJORITY,
    NEVER_SPLITS,
    PROMISE_ONCE,
    SERVES_FIRST,
    Verdict,
    below,
    judge,
    questions,
    tally,
)
from quorate.cluster.compare.figures import Figure, exact, of
from quorate.cluster.compare.rows import SECTIONS, Results
from tests.cluster.compare.made import results

YES, NO, OPEN = Verdict.CONFIRMED, Verdict.REFUTED, Verdict.NOT_DECIDED


@pytest.mark.parametrize(
    ("lower", "higher", "verdict"),
    [
        (exact(6), exact(8), YES),
        (exact(8), exact(6), NO),
        (exact(6), exact(6), NO),  # the same is not lower
        (of([1, 2, 3]), of([4, 5, 6]), YES),
        (of([4, 5, 6]), of([1, 2, 3]), NO),
        (of([1, 2, 4]), of([3, 5, 6]), OPEN),  # the samples overlap
        (of([1, 2, 3]), of([3, 4, 5]), OPEN),  # they touch
        (of([1, 2]), of([8, 9]), OPEN),  # too few to say
        (of([1, 2, 3]), of([9]), OPEN),
        (of([1, 2, 3]), exact(9), YES),
        (of([7] * 6), of([7] * 6), NO),
        (of([7] * 6), exact(7), NO),
        # Samples overlap, but hardly: of twenty, the medians are surely apart.
        (of([*range(19), 60]), of([*range(40, 59), 5]), YES),
        (of([*range(40, 59), 5]), of([*range(19), 60]), NO),
        (of(range(20)), of(range(9, 29)), OPEN),
    ],
)
def test_what_is_lower(lower: Figure, higher: Figure, verdict: Verdict) -> None:
    assert verdict is below(lower, higher)


def verdict_of(made: Results, note: str, case: str) -> Verdict:
    [found] = [claim for claim in judge(made)[0] if (claim.note, claim.case) == (note, case)]
    return found.verdict


@pytest.mark.parametrize(
    ("raft", "zab", "verdict"),
    [([100, 110, 120], [200, 210, 220], YES), ([200, 210, 220], [100, 110, 120], NO), ([100, 150, 200], [140, 170, 210], OPEN)],
)
def test_who_elects_faster_is_decided_by_the_time_until_somebody_leads(raft: list[float], zab: list[float], verdict: Verdict) -> None:
    made = results()
    made.put("election.closed.3.ms", "raft", of(raft))
    made.put("election.closed.3.ms", "zab", of(zab))

    assert verdict is verdict_of(made, ELECTS_FASTER, "3 nodes, connections close")


@pytest.mark.parametrize(
    ("raft", "zab", "verdict"),
    [
        ([1, 1, 1], [1, 1, 1], OPEN),  # nobody needed a second round: nothing was seen
        ([1, 2, 1], [1, 1, 1], YES),
        ([1, 1, 1], [1, 2, 1], NO),
        ([2, 1, 1], [1, 2, 1], NO),
        ([2, 3, 1], [1, 2, 1], OPEN),
    ],
)
def test_who_needs_several_rounds_is_decided_by_the_seeds_that_did(raft: list[float], zab: list[float], verdict: Verdict) -> None:
    made = results()
    made.put("election.closed.3.rounds", "raft", of(raft))
    made.put("election.closed.3.rounds", "zab", of(zab))

    assert verdict is verdict_of(made, NEVER_SPLITS, "3 nodes, connections close")


def test_what_looks_the_same_is_the_same() -> None:
    """A difference below the digits that are shown is none."""
    made = results()
    made.put("lag.3.100000.served", "raft", of([120.004] * 3))
    made.put("lag.3.100000.served", "zab", of([120.031] * 3))

    assert NO is verdict_of(made, SERVES_FIRST, "3 nodes, a follower 100,000 writes behind, whom a quorum needs")


def test_one_shape_in_which_nobody_can_write_refutes_that_partitions_do_no_harm() -> None:
    made = results(("raft", "zab"))
    made.put("cut.ring.leader", "zab", "3 another, 2 nobody")
    found = {claim.case: claim for claim in judge(made)[0] if claim.note == GOES_ON}

    assert (YES, "goes on in all of 8 shapes") == (found["raft"].verdict, found["raft"].evidence)
    assert (NO, "in the end nobody could write with: ring") == (found["zab"].verdict, found["zab"].evidence)


def test_a_write_that_a_minority_holds_is_no_safe_one() -> None:
    made = results(("raft", "logship"))
    made.put("cut.disks", "raft", of([2, 3, 2]))
    made.put("cut.disks", "logship", of([2, 1, 2]))
    found = {claim.case: claim for claim in judge(made)[0] if claim.note == MAJORITY}

    assert YES is found["raft"].verdict
    assert (NO, "at least 1 of 3 disks, while the leader is cut off both ways") == (found["logship"].verdict, found["logship"].evidence)


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([0.9, 0.95, 1.0], YES),
        ([0.8, 0.8, 0.8], YES),  # exactly the aim is reached
        ([0.8, 0.9, 0.9], YES),
        ([0.5, 0.6, 0.7], NO),
        ([0.7, 0.9, 1.0], OPEN),
        ([0.9, 0.9], OPEN),
    ],
)
def test_the_aim_for_live_engines_is_a_part_of_rafts_rate(ratios: list[float], verdict: Verdict) -> None:
    made = results()
    made.put("live.ratio.64", "zab", of(ratios))

    assert verdict is verdict_of(made, "zab reaches at least 80% of Raft's writes a second", "live, 64 in flight")


def test_the_evidence_holds_the_figures() -> None:
    made = results()
    made.put("write.messages", "multipaxos", exact(6))
    made.put("write.messages", "paxos", exact(8))
    made.put("lag.3.1000.served", "raft", of([6.1] * 12))
    made.put("lag.3.1000.served", "zab", of([9.0, *[9.5] * 10, 20.0]))
    said = {(claim.note, claim.case): claim.evidence for claim in judge(made)[0]}

    assert "multipaxos 6 messages, paxos 8 messages a value" == said[PROMISE_ONCE, "messages"]
    assert (
        "raft 6.1 ms, zab 9.5 ms from leading to the first write; 12 seeds"
        == said[SERVES_FIRST, "3 nodes, a follower 1,000 writes behind, whom a quorum needs"]
    )


def test_what_was_not_measured_is_listed_with_the_reason_and_not_judged() -> None:
    claims, silent = judge(results(("raft", "kraft")))

    assert not [claim for claim in claims if "zab" in claim.evidence]
    assert (ELECTS_FASTER, "zab did not run") in silent
    assert all("did not run" in why for _, why in silent)

    partly = results()
    del partly.cells["election.closed.3.ms"]

    assert [(f"{ELECTS_FASTER} (3 nodes, connections close)", "its figures were not measured in this run")] == judge(partly)[1]


def test_an_engine_whose_election_is_by_hand_is_not_judged_by_it() -> None:
    made = results()
    made.put("election.closed.3.ms", "zab", "by hand")

    assert [f"{ELECTS_FASTER} (3 nodes, connections close)"] == [what for what, _ in judge(made)[1]]


def test_every_claim_asks_for_a_row_that_there_is() -> None:
    keys = {row.key for section in SECTIONS for row in section.rows}

    assert {question.key for question in questions()} <= keys
    assert [] == judge(results())[1]


def test_verdicts_are_counted() -> None:
    claims, _ = judge(results())
    decided = [replace(claims[0], verdict=YES), replace(claims[0], verdict=YES), replace(claims[0], verdict=OPEN)]

    assert "2 confirmed, 1 not decided" == tally(decided)
