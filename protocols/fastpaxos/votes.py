"""Votes as Fast Paxos compares them: in which round, for which value.

A round is (ballot, stage). The stages of one ballot are its fast rounds, in order, and after all of them its classic one: a slot that
got a classic vote in a ballot is in no fast round of that ballot any more. Even stages are fast rounds that the coordinator began with
Any; the odd one after each is the round in which acceptors recover from its collisions by themselves.
"""

from typing import NamedTuple

from quorate.protocols.core import FAST, FAST_ROUND, Entry, Kind, born

CLASSIC = 1 << 32

Round = tuple[int, int]
"""(ballot, stage)"""

Value = tuple[int, int]
"""(ballot of its birth, origin): in its slot that names a value."""


class Vote(NamedTuple):
    """One acceptor's vote in one slot."""

    round: Round
    value: Value


def fast_vote(slot: int, ballot: int, stage: int, origin: int, data: bytes) -> Entry:
    return Entry(slot, ballot, origin, Kind.COMMAND | FAST, FAST_ROUND.pack(stage) + data)


def stage_of(entry: Entry) -> int:
    return int(FAST_ROUND.unpack_from(entry.data)[0]) if entry.kind & FAST else CLASSIC


def vote_of(entry: Entry) -> Vote:
    return Vote((entry.term, stage_of(entry)), (born(entry), entry.origin))
