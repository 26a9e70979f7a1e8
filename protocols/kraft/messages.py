"""The messages of KRaft. Tags 100 to 149; those of elections (1 to 5) stand in protocols/terms/ballots, those of reads (13, 14) in
protocols/reads; a tag is never reused.

KIP-595 (Fetch, Begin- and EndQuorumEpoch), KIP-630 (snapshot id, FetchSnapshot), KIP-1166 (the high watermark in Fetch). An offset here is
the index of the last entry that it covers, where Kafka's is the one after it.
"""

from quorate.protocols.core import Message, NodeId, message


@message(100)
class Fetch(Message):
    """Send me what follows (offset, last_epoch). I hold everything up to `durable` on disk, know that everything up to
    `high_watermark` is committed, have heard of `round`, and can take `room` bytes. The same `id` again asks for nothing more."""

    epoch: int
    id: int
    offset: int
    last_epoch: int
    durable: int
    high_watermark: int
    round: int
    room: int


@message(101)
class Fetched(Message):
    """Records (protocols/log.pack) that follow (offset, last_epoch), or none: I still lead."""

    epoch: int
    id: int
    offset: int
    last_epoch: int
    high_watermark: int
    round: int
    records: bytes


@message(102)
class Diverging(Message):
    """My log does not hold (offset, last_epoch). The last place here that yours may hold: epoch `diverging_epoch` ends at `end_offset`."""

    epoch: int
    id: int
    offset: int
    last_epoch: int
    diverging_epoch: int
    end_offset: int
    round: int


@message(103)
class SnapshotId(Message):
    """What you lack is gone from my log; this snapshot, which ends at `index`, stands for it."""

    epoch: int
    id: int
    snapshot: str
    index: int
    round: int


@message(104)
class FetchSnapshot(Message):
    """Begin to transfer that snapshot, or the one which replaced it."""

    epoch: int
    snapshot: str


@message(105)
class BeginQuorumEpoch(Message):
    """I lead this epoch: fetch from me. The first fetch is the acknowledgement."""

    epoch: int


@message(106)
class EndQuorumEpoch(Message):
    """I resign, or hand over. The first of `preferred` starts an election at once."""

    epoch: int
    preferred: tuple[NodeId, ...]


@message(107)
class Fenced(Message):
    """You fetch from one that does not lead your epoch, or lead one that is over. `epoch` is my own."""

    epoch: int
