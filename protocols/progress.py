"""What a leader knows of one follower, and how much it may send it: probe, replicate or snapshot.

- probe: where the logs meet is not known; one append at a time.
- replicate: appends are pipelined in a window bounded in messages and bytes; `next` runs ahead of `match`.
- snapshot: the follower needs entries that are gone; no appends until the transfer ended.

Ongaro's thesis 3.5 (next and match index) and 10.2.1 (pipelining); 4.2.1 (catching up in rounds).
"""

from collections import deque
from dataclasses import dataclass, field

PROBE = "probe"
REPLICATE = "replicate"
SNAPSHOT = "snapshot"


@dataclass(slots=True)
class CatchUp:
    """Replication to a learner seen in rounds: each ends when it holds what the leader held at the round's start.

    Caught up: the last round, and the one running, took less than an election timeout (thesis 4.2.1), so that
    making it a voter cannot hold up commits for longer than an election would.
    """

    target: int
    since: int
    fast: bool = False

    def advance(self, match: int, last: int, now: int, limit: int) -> None:
        """The learner acknowledged `match`; the leader's log ends at `last`."""
        if match >= self.target:
            self.fast = now - self.since < limit
            self.target, self.since = last, now

    def done(self, match: int, last: int, now: int, limit: int) -> bool:
        # Who holds everything ends a round in no time; without it, an idle group would never promote one that came slowly.
        return match >= last or (self.fast and (match >= self.target or now - self.since < limit))


@dataclass(slots=True)
class Peer:
    """One follower as its leader sees it. `match` never falls; `next` does when something was lost."""

    next: int
    heard: int
    """Timer tick of its last reply."""
    catch_up: CatchUp
    match: int = 0
    state: str = PROBE
    inflight: deque[tuple[int, int]] = field(default_factory=deque)
    """Appends without an answer: (last index, bytes)."""
    inflight_bytes: int = 0
    probing: bool = False
    """The one append of the probe state is out."""
    probe_round: int = 0
    """The heartbeat round current when the probe left: an answer to a later one means that the probe, or its answer, was lost."""
    snapshot_index: int = 0
    retry_at: int = 0
    """No new transfer before this timer tick; the one under way is given up at it."""
    acked_round: int = 0
    commit_sent: int = 0
    mark_round: int = 0
    """The heartbeat round whose answer will show whether everything below `mark_next` arrived; 0 for none."""
    mark_next: int = 0
    arrived: int = 0
    """What the follower had received, acknowledged or not, when it last answered a mark."""

    def become_probe(self, next_index: int) -> None:
        assert next_index > self.match, self
        self.state = PROBE
        self.next = next_index
        self._clear()

    def become_replicate(self) -> None:
        self.state = REPLICATE
        self.next = self.match + 1
        # A transfer that an acknowledgement made needless bounds nothing any more: the next may begin at once.
        self.retry_at = 0
        self._clear()

    def become_snapshot(self, index: int, give_up_at: int) -> None:
        self.state = SNAPSHOT
        self.snapshot_index = index
        self.retry_at = give_up_at
        self._clear()

    def _clear(self) -> None:
        self.inflight.clear()
        self.inflight_bytes = 0
        self.probing = False
        self.mark_round = self.arrived = 0

    def has_room(self, messages_max: int, bytes_max: int) -> bool:
        """Whether one more append may leave."""
        if self.state == REPLICATE:
            return len(self.inflight) < messages_max and self.inflight_bytes < bytes_max
        return self.state == PROBE and not self.probing

    def sent(self, last: int, size: int, round_: int) -> None:
        """An append up to `last` left."""
        if self.state == REPLICATE:
            self.inflight.append((last, size))
            self.inflight_bytes += size
            self.next = last + 1
        else:
            self.probing = True
            self.probe_round = round_

    def acked(self, match: int) -> bool:
        """The follower holds everything up to `match`, durably. False if that was known."""
        inflight = self.inflight
        while inflight and inflight[0][0] <= match:
            self.inflight_bytes -= inflight.popleft()[1]
        if match <= self.match:
            return False
        self.match = match
        if self.next <= match:
            self.next = match + 1
        return True

    def mark(self, round_: int) -> None:
        """A heartbeat leaves: whatever was sent before it should have arrived when it is answered."""
        if self.mark_round == 0:
            self.mark_round, self.mark_next = round_, self.next

    def shows_gap(self, round_: int, last: int) -> bool:
        """Whether the answer to a heartbeat, from a log that ends at `last`, shows that an append sent before it was lost."""
        if self.mark_round == 0 or round_ < self.mark_round:
            return False
        if self.state == REPLICATE:
            return last < self.mark_next - 1
        return self.state == PROBE and self.probing and round_ > self.probe_round

    def lost_ack(self, round_: int) -> int | None:
        """Called with the same answer: an index that had arrived by the answer before, and still is not acknowledged. Its
        disk is slow, or the acknowledgement was lost, which would leave the window full for ever. Ends the mark."""
        if self.mark_round == 0 or round_ < self.mark_round:
            return None
        arrived, self.arrived = self.arrived, self.mark_next - 1 if self.state == REPLICATE else 0
        self.mark_round = 0
        return arrived if self.state == REPLICATE and self.match < arrived else None
