"""Quorum arithmetic: majorities, and what a majority has reached. Any two majorities of one set share a member."""

from collections.abc import Iterable, Mapping


def majority(count: int) -> int:
    """How many of `count` voters are a quorum."""
    return count // 2 + 1


def reached(values: list[int]) -> int:
    """The highest value that a majority has reached: one value per voter, in any order. Sorts the list in place."""
    assert values, "a quorum of nobody has reached nothing"
    values.sort()
    # Ascending: the entry here and all after it, exactly a majority of them, are at least this.
    return values[(len(values) - 1) // 2]


def granted_count(votes: Mapping[str, int], voters: Iterable[str]) -> int:
    """How many voters granted, each counted once however often its answer came."""
    return sum(1 for voter in voters if votes.get(voter, 0) > 0)
