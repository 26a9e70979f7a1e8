"""The messages of ZAB, and what it persists besides entries. Tags 50 to 79 are ZAB's; a tag is never reused.

Those whose first fields are `link, sequence, received` travel on FIFO channels (protocols/fifo); `received` confirms the other direction.
Junqueira, Reed & Serafini, DSN 2011, section V; the election is ZooKeeper's fast leader election.
"""

from quorate.protocols.core import Message, NodeId, message

LOOKING, FOLLOWING, LEADING = 0, 1, 2
"""What the sender of a notification is."""


@message(50)
class Epochs(Message):
    """The promise: the last epoch proposed to this node that it accepted, and the last whose history it holds in full."""

    accepted: int
    current: int


# --- election ---


@message(51)
class Notification(Message):
    """My vote, or, if I am not looking, whom I follow. `stamp` is my clock; `echo` the last stamp that I have of yours."""

    state: int
    round: int
    leader: NodeId
    epoch: int
    last_term: int
    last_index: int
    number: int
    configuration: int
    """Index of the newest configuration that I know."""
    stamp: int
    echo: int


# --- discovery ---


@message(52)
class FollowerInfo(Message):
    """Opens a link to the node that lives its `incarnation`: I follow you, and have accepted this epoch."""

    link: int
    sequence: int
    received: int
    incarnation: int
    accepted: int


@message(53)
class LeaderInfo(Message):
    """The new epoch: later than any that a quorum has accepted."""

    link: int
    sequence: int
    received: int
    epoch: int


@message(54)
class AckEpoch(Message):
    """I have accepted that epoch, from you first (`counts`); this is the history that I hold."""

    link: int
    sequence: int
    received: int
    epoch: int
    counts: bool
    current: int
    last_term: int
    last_index: int


# --- synchronization ---


@message(55)
class Diff(Message):
    """Your log ends at (term, index), as mine does there: what follows comes as proposals."""

    link: int
    sequence: int
    received: int
    term: int
    index: int


@message(56)
class Trunc(Message):
    """Drop what you hold after (term, index); then as Diff."""

    link: int
    sequence: int
    received: int
    term: int
    index: int


@message(57)
class Snap(Message):
    """You were streamed the snapshot that ends at (term, index); then as Diff."""

    link: int
    sequence: int
    received: int
    term: int
    index: int


@message(58)
class NewLeader(Message):
    """You have been sent all that was there before this epoch: make it durable, then make the epoch your current one."""

    link: int
    sequence: int
    received: int
    epoch: int


@message(59)
class AckNewLeader(Message):
    """My current epoch is this one, durably, and so is my log up to `index`."""

    link: int
    sequence: int
    received: int
    epoch: int
    index: int


@message(60)
class UpToDate(Message):
    """A quorum holds the epoch's history: serve. Everything up to `commit` is committed."""

    link: int
    sequence: int
    received: int
    commit: int


# --- broadcast ---


@message(61)
class Proposal(Message):
    """Entries (protocols/log.pack) that follow what I sent before."""

    link: int
    sequence: int
    received: int
    entries: bytes


@message(62)
class Ack(Message):
    """Everything that you proposed up to `index` is durable here."""

    link: int
    sequence: int
    received: int
    index: int


@message(63)
class Commit(Message):
    """Everything up to `index` is committed; I have sent you all of it."""

    link: int
    sequence: int
    received: int
    index: int


@message(64)
class Inform(Message):
    """To observers: entries that are committed already."""

    link: int
    sequence: int
    received: int
    entries: bytes


@message(65)
class HandOver(Message):
    """Node `to`, in this incarnation of it, leads next: follow it at once, or lead if that is you. My lease is dropped."""

    link: int
    sequence: int
    received: int
    to: NodeId
    incarnation: int


# --- liveness: not sequenced, never behind a gap or a disk ---


@message(66, is_beat=True)
class Ping(Message):
    """I lead. `round` counts up: an answer to it proves that you followed me after it was sent."""

    link: int
    received: int
    epoch: int
    round: int


@message(67, is_beat=True)
class Pong(Message):
    """The answer, or (round 0) the bare news of what arrived. `durable` is how far the leader's history is durable here."""

    link: int
    received: int
    round: int
    durable: int


@message(68)
class Closed(Message):
    """I know no such link, or no longer."""

    link: int
