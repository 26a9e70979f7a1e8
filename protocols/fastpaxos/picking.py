"""Which values a coordinator may propose, or an acceptor that recovers by itself may vote for, by what a quorum has reported.

Fast Paxos, 2.2, rule O4 ("Observation 4"): let k be the highest round in which any of the quorum Q has voted in the slot. A value v may
have been chosen in k only if there is a quorum R of k such that everybody in both Q and R voted for v in k; at most one can, for quorums
intersect. If there is such a v, it is proposed; else any value is safe.

In a log this is asked for many slots at once, with one Q, and one rule comes on top: a value wins one slot at most. An acceptor votes for
an origin once per fast round, so:
- of an origin that was voted for in several slots, only the votes of the highest round may have chosen it (package page, "One slot");
- where any value is safe, one is taken only if more acceptors than a fast quorum can do without have voted for it in slots that are
  being decided here: then no fast quorum can choose it anywhere else. Else the slot gets a no-op, and its losers are proposed again.
"""

from collections import Counter
from collections.abc import Container, Mapping

from quorate.protocols.core import NodeId
from quorate.protocols.fastpaxos.rules import FastRules
from quorate.protocols.fastpaxos.votes import CLASSIC, Round, Value, Vote

Reports = Mapping[NodeId, Mapping[int, Vote]]
"""By acceptor of the quorum: its votes by slot."""


def pick(slots: range, reports: Reports, count: int, taken: Container[int], rules: FastRules) -> dict[int, Value]:
    """For each of the slots the value to be proposed; none: a no-op. `count` acceptors decide them, `taken` are origins that have a
    slot elsewhere."""
    reports = dict(sorted(reports.items()))  # the same whoever reported first, also where the rules are broken
    latest, voters = _origins(slots, reports)

    def is_void(value: Value, round_: Round) -> bool:
        origin = value[1]
        return bool(origin) and rules.wins_one_slot(latest[origin] > round_ or origin in taken)

    picked: dict[int, Value] = {}
    free: list[tuple[int, Counter[Value]]] = []
    for slot in slots:
        votes = [report[slot] for report in reports.values() if slot in report]
        if not votes:
            continue
        highest = max(vote.round for vote in votes)
        counts = Counter(vote.value for vote in votes if vote.round == highest)
        for value in [value for value in counts if is_void(value, highest)]:
            del counts[value]
        if highest[1] == CLASSIC:
            forced = next(iter(counts), None)
        else:
            forced = rules.may_be_chosen(counts, len(reports), count)
        if forced is not None:
            picked[slot] = forced
        elif counts:
            free.append((slot, counts))
    used = {origin for _, origin in picked.values()}
    for slot, counts in free:
        for value, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            origin = value[1]
            if origin not in used and rules.is_elsewhere_impossible(len(voters.get(origin, ())), count):
                picked[slot] = value
                used.add(origin)
                break
    return picked


def _origins(slots: range, reports: Reports) -> tuple[dict[int, Round], dict[int, set[NodeId]]]:
    """Of each origin: the highest round in which it was voted for, anywhere; and by whom it was in that round, in these slots."""
    latest: dict[int, Round] = {}
    voters: dict[int, set[NodeId]] = {}
    for acceptor, report in reports.items():
        for slot, vote in report.items():
            origin = vote.value[1]
            if vote.round > latest.get(origin, (-1, 0)):
                latest[origin] = vote.round
                voters[origin] = set()
            if vote.round == latest[origin] and slot in slots:
                voters[origin].add(acceptor)
    return latest, voters
