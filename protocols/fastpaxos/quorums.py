"""How many acceptors decide what. Fast Paxos, section 2.2: the Fast Quorum Requirement.

Any two fast quorums and any classic quorum have an acceptor in common: else two values could both look as if a fast round had chosen
them, to a coordinator that heard from a classic quorum only. With majorities as classic quorums the smallest fast ones are three quarters.
"""

from quorate.protocols.quorum import majority


def classic(count: int) -> int:
    """How many of `count` acceptors decide a classic round, and answer a recovery."""
    return majority(count)


def fast(count: int) -> int:
    """How many of `count` acceptors decide a fast round: 3 of 3, 4 of 5, 6 of 7."""
    needed = -(-3 * count // 4)
    assert intersect(count, classic(count), needed), count
    return needed


def intersect(count: int, classic: int, fast: int) -> bool:
    """Whether quorums of these sizes meet as they must, among `count` acceptors, however they are chosen."""
    two_classic = 2 * classic > count
    classic_and_fast = classic + fast > count
    classic_and_two_fast = classic + 2 * fast > 2 * count
    return two_classic and classic_and_fast and classic_and_two_fast
