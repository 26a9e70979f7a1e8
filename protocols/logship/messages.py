"""The messages of log shipping, and how generations are numbered. Tags 250 to 299 are its own; a tag is never reused."""

from quorate.protocols.core import NUMBER_MAX, Message, NodeId, message

GENERATION_STEP = 1000
"""A generation is (how many promotions it is after, number of its primary) in one integer that people can read: 2003 is the second, and
node 3's. So two operators who promote two nodes at once make two generations, of which one is the higher."""
assert NUMBER_MAX < GENERATION_STEP


def next_generation(known: int, number: int) -> int:
    """What the node with that number begins when it has heard of generation `known`."""
    return (known // GENERATION_STEP + 1) * GENERATION_STEP + number


@message(250)
class Tenure(Message):
    """What a node must not forget: the newest generation that it heard of, its primary ("" if that is not known yet), and, on a primary
    that has handed over, to whom."""

    generation: int
    primary: NodeId
    heir: NodeId


@message(251)
class Ship(Message):
    """Entries (protocols/log.pack) to follow (previous_index, previous_term), durable at the sender, and how far the log is committed."""

    generation: int
    previous_index: int
    previous_term: int
    commit: int
    round: int
    entries: bytes


@message(252)
class Shipped(Message):
    """My log equals yours up to `match`, durably. `round` is the highest that I heard."""

    generation: int
    match: int
    round: int


@message(253)
class Mismatch(Message):
    """My log does not hold `previous_index` as you do. At or below it: the generation that I hold there and its first index, 0 and where my
    log ends if it ends before. Above it: my log begins at `index`, after an entry of `term`; what is below I cannot tell."""

    generation: int
    previous_index: int
    term: int
    index: int
    round: int


@message(254)
class Heartbeat(Message):
    """I am the primary. `commit` is bounded by what the receiver acknowledged, so it may be believed without entries."""

    generation: int
    commit: int
    round: int


@message(255)
class HeartbeatReply(Message):
    """`last` is where the log ends, durable or not: a hint that shows lost entries, never an acknowledgement."""

    generation: int
    round: int
    last: int


@message(256)
class StartOver(Message):
    """Your log begins after (index, term), which this generation's log does not and never will hold: give it up, and begin anew."""

    generation: int
    index: int
    term: int


@message(257)
class TakeOver(Message):
    """I have stepped down for you, for good: my log ended at (index, term), and you hold all of it. Begin the next generation."""

    generation: int
    index: int
    term: int
