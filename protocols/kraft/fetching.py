"""A follower's work: fetch, take in what comes, truncate what diverges, ask for the snapshot where the log is gone. KIP-595, KIP-630.

The next fetch leaves as soon as records came, while they are being synced: it asks from the log's end and acknowledges what is
durable. When more is, the same fetch is sent again with only that changed, which asks for nothing more.
"""

from collections import deque
from dataclasses import replace

from quorate.protocols.core import COUNTER_BITS, NodeId
from quorate.protocols.kraft.messages import Diverging, Fetch, Fetched, FetchSnapshot, SnapshotId
from quorate.protocols.kraft.roles import Follower, KRaftSnapshots, KRaftState
from quorate.protocols.log import unpack


class Fetching:
    """How a node that does not lead keeps its log like the leader's."""

    def __init__(self, state: KRaftState, snapshots: KRaftSnapshots) -> None:
        self.state = state
        self.snapshots = snapshots
        self.fetch_count = 0
        self.unsynced: deque[tuple[int, int]] = deque()
        """(last index, bytes) of what was taken in and is not durable."""
        self.unsynced_bytes = 0

    def flush(self, me: Follower) -> None:
        """Once a turn: fetch, if no fetch is out; or tell what became durable since."""
        state, log = self.state, self.state.log
        if me.leader is None:
            return
        durable, room = state.rules.acknowledged(log), self._room()
        before = me.fetch
        if before is None or not me.unanswered or state.timer - me.fetched_at >= state.options.fetch_retry_ticks:
            self.fetch_count += 1
            # The incarnation keeps a fetch of a life before the last restart from passing for a newer one.
            id_ = (state.incarnation << COUNTER_BITS) | self.fetch_count
            me.fetched_at = state.timer
            me.unanswered = True
            fetch = Fetch(state.term, id_, log.last, log.last_term, durable, state.commit, me.round, room)
        elif durable > before.durable or (room and not before.room):
            fetch = replace(before, durable=durable, room=room)
        else:
            return
        me.fetch = fetch
        if state.promise_durable:
            state.send(me.leader, fetch)
        else:
            state.send_after_sync(me.leader, fetch)

    def _room(self) -> int:
        """Bytes that may still be taken in."""
        unsynced, durable = self.unsynced, self.state.log.durable
        while unsynced and unsynced[0][0] <= durable:
            self.unsynced_bytes -= unsynced.popleft()[1]
        return max(0, self.state.options.window_bytes - self.unsynced_bytes)

    def _answered(self, me: Follower, id_: int, round_: int) -> None:
        me.round = max(me.round, round_)
        if me.fetch is not None and me.fetch.id == id_:
            me.unanswered = False

    def on_begin(self, me: Follower) -> None:
        """The leader says this to whom it has no fetch of: one that was out is lost."""
        me.unanswered = False

    def on_fetched(self, me: Follower, sender: NodeId, message: Fetched) -> None:
        state, log = self.state, self.state.log
        self._answered(me, message.id, message.round)
        offset = message.offset
        if not state.rules.meets(log, offset, message.last_epoch):
            return  # a late answer: what it follows was truncated here, or compacted
        matched = offset
        if message.records and state.rules.continues(log, offset):
            try:
                entries = unpack(message.records)
            except ValueError as problem:
                state.note("records_malformed", sender=sender, problem=str(problem))
                return
            if entries[0].index != offset + 1:
                state.note("records_malformed", sender=sender, problem=f"entry {entries[0].index} after {offset}")
                return
            matched = entries[-1].index
            self.snapshots.blobs.keep(message.records, offset + 1, matched)
            log.extend(entries)
            state.adopt_configurations(entries)
            self.unsynced.append((matched, len(message.records)))
            self.unsynced_bytes += len(message.records)
        commit = state.rules.commit_to_believe(message.high_watermark, matched)
        if commit > state.commit:
            state.commit = min(commit, log.last)

    def on_diverging(self, me: Follower, sender: NodeId, message: Diverging, own_terms: set[int]) -> None:
        state, log = self.state, self.state.log
        self._answered(me, message.id, message.round)
        if not state.rules.concerns(log, message.offset, message.last_epoch):
            return
        index = state.rules.truncation_point(log, message.diverging_epoch, message.end_offset)
        if index < state.commit:
            # No leader lacks what is committed, but for one that lost its disk.
            state.note("divergence_refused", sender=sender, index=index, commit=state.commit)
        elif index < log.last:
            self.snapshots.truncate(index, own_terms)
            while self.unsynced and self.unsynced[-1][0] > index:
                self.unsynced_bytes -= self.unsynced.pop()[1]

    def on_snapshot_id(self, me: Follower, sender: NodeId, message: SnapshotId) -> None:
        state = self.state
        self._answered(me, message.id, message.round)
        if message.index > state.commit:
            state.send(sender, FetchSnapshot(state.term, message.snapshot))

    def installed(self) -> None:
        """A snapshot was taken in, or refused because it came late: go on from where the log ends now."""
        following = self.state.following
        if self.state.log.last == self.state.log.durable:
            self.unsynced.clear()
            self.unsynced_bytes = 0
        if following is not None:
            following.unanswered = False
