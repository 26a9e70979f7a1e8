"""A follower's work: take in what the leader sends, acknowledge what is durable, install snapshots.

AppendEntries with the log matching check and conflict hints (thesis 3.5); a suffix that matches is never truncated.
"""

from quorate.protocols.core import NodeId, Reason, Snapshot
from quorate.protocols.log import Blobs, unpack
from quorate.protocols.orphans import Orphans
from quorate.protocols.raft.election import Elections
from quorate.protocols.raft.messages import Append, Appended, Commit, Heartbeat, HeartbeatReply, Rejected
from quorate.protocols.raft.roles import Follower
from quorate.protocols.raft.state import State


class Following:
    """How a node that does not lead keeps its log like the leader's."""

    def __init__(self, state: State, elections: Elections) -> None:
        self.state = state
        self.elections = elections
        self.blobs = Blobs()
        self.orphans = Orphans()

    def on_append(self, me: Follower, sender: NodeId, message: Append, own_terms: set[int]) -> None:
        state, log = self.state, self.state.log
        previous = message.previous_index
        if previous < log.base:
            # All of that is committed here: say so, the leader goes on from there.
            self._acknowledge(me, state.commit, message.round)
            return
        if not state.rules.previous_matches(log, previous, message.previous_term):
            self._reject(sender, message)
            return
        matched = previous
        if message.entries:
            try:
                entries = unpack(message.entries)
            except ValueError as problem:
                state.note("append_malformed", sender=sender, problem=str(problem))
                return
            if entries[0].index != previous + 1:
                state.note("append_malformed", sender=sender, problem=f"entry {entries[0].index} after {previous}")
                return
            matched = entries[-1].index
            known = state.rules.first_new(log, entries)
            if known < len(entries):
                new = entries[known:] if known else entries
                if new[0].index <= log.last:
                    self._truncate(new[0].index - 1, own_terms)
                self.blobs.keep(b"" if known else message.entries, new[0].index, matched)
                log.extend(new)
                state.adopt_configurations(new)
        commit = state.rules.commit_to_believe(message.commit, matched)
        if commit > state.commit:
            state.commit = min(commit, log.last)
        self._acknowledge(me, matched, message.round)

    def _truncate(self, index: int, own_terms: set[int]) -> None:
        """The leader's log differs above `index`: ours goes. What we proposed there may still commit elsewhere."""
        state = self.state
        state.note("truncated", index=index, last=state.log.last)
        self.blobs.clear()
        self.orphans.add(state.truncate(index), own_terms)

    def packed(self) -> bytes | None:
        """The unwritten entries as the leader packed them; None if they must be packed again."""
        return self.blobs.take(self.state.log.written + 1, self.state.log.last)

    def _acknowledge(self, me: Follower, match: int, round_: int) -> None:
        """One answer for all appends of a turn; it leaves after their sync."""
        if me.ack is None or match > me.ack:
            me.ack = match
        if round_ > me.ack_round:
            me.ack_round = round_

    def _reject(self, sender: NodeId, message: Append) -> None:
        """Hint: the term we hold there and its first index, so that the leader skips a whole term at a time (3.5)."""
        state, log = self.state, self.state.log
        previous = message.previous_index
        term = log.term_at(previous)
        if term is None:
            reply = Rejected(state.term, previous, 0, log.last + 1, message.round)
        else:
            reply = Rejected(state.term, previous, term, max(log.first_of_term(previous), state.commit + 1), message.round)
        state.send_after_sync(sender, reply)

    def on_heartbeat(self, sender: NodeId, message: Heartbeat) -> None:
        """Answered at once: it acknowledges no entries, so it need not wait behind the disk (10.2.1)."""
        state = self.state
        self._believe(message.commit)
        reply = HeartbeatReply(state.term, message.round, state.log.last)
        if state.promise_durable:
            state.send(sender, reply)
        else:
            state.send_after_sync(sender, reply)

    def on_commit(self, message: Commit) -> None:
        self._believe(message.index)

    def _believe(self, commit: int) -> None:
        """The leader bounded `commit` by what we acknowledged to it durably; the log's end guards against a lost disk."""
        state = self.state
        if commit > state.commit:
            state.commit = min(commit, state.log.last)

    def flush(self, me: Follower) -> None:
        """Put the turn's acknowledgement among the effects."""
        if me.ack is None or me.leader is None:
            return
        state = self.state
        reply = Appended(state.term, me.ack, me.ack_round)
        if state.rules.acks_after_sync():
            state.send_after_sync(me.leader, reply)
        else:
            state.send(me.leader, reply)
        me.ack = None

    def install(self, snapshot: Snapshot) -> bool:
        """A leader's snapshot is durable here. Whether it replaced the state: it may have come late."""
        replaced = self.state.rules.may_install(snapshot.index, self.state.commit) and self._adopt(snapshot)
        role = self.state.role
        if isinstance(role, Follower) and role.leader is not None:
            # What is committed here, every later leader holds.
            self._acknowledge(role, self.state.commit, 0)
        return replaced

    def _adopt(self, snapshot: Snapshot) -> bool:
        state, log = self.state, self.state.log
        if log.term_at(snapshot.index) == snapshot.term:
            # Our log holds all of it: commit that far instead, nothing is passed over.
            state.commit = snapshot.index
            return False
        if log.written > snapshot.index:
            state.out.truncate = snapshot.index if state.out.truncate is None else min(state.out.truncate, snapshot.index)
        log.reset(snapshot.index, snapshot.term)
        self.blobs.clear()
        self.orphans.pass_over(snapshot.index)
        state.configurations = [snapshot.configuration]
        state.snapshot = state.out.snapshot = snapshot
        state.commit = snapshot.index
        state.note("snapshot_installed", index=snapshot.index)
        return True

    def settle_orphans(self) -> None:
        """Own proposals whose place another entry took for good are superseded: definitely without effect."""
        state = self.state
        for origin in self.orphans.settle(state.commit, state.log.term_at):
            state.refuse(origin, Reason.SUPERSEDED, state.leader)
