"""Ballots: (round, number of the node that owns it), packed in one int so that they compare as pairs do. No two nodes own the same."""

from quorate.protocols.core import NUMBER_MAX

NUMBER_BITS = NUMBER_MAX.bit_length()


def next_ballot(seen: int, number: int) -> int:
    """The lowest ballot of node `number` that is in a later round than `seen`."""
    return (((seen >> NUMBER_BITS) + 1) << NUMBER_BITS) | number
