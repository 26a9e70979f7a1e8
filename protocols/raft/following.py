"""A follower's work: take in what the leader sends, acknowledge what is durable, install snapshots.

AppendEntries with the log matching check and conflict hints (thesis 3.5); a suffix that matches is never truncated.
"""

from quorate.protocols.core import NodeId
from quorate.protocols.log import unpack
from quorate.protocols.raft.messages import Append, Appended, Commit, Heartbeat, HeartbeatReply, Rejected
from quorate.protocols.raft.roles import Follower, RaftSnapshots, RaftState


class Following:
    """How a node that does not lead keeps its log like the leader's."""

    def __init__(self, state: RaftState, snapshots: RaftSnapshots) -> None:
        self.state = state
        self.snapshots = snapshots

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
                    self.snapshots.truncate(new[0].index - 1, own_terms)
                self.snapshots.blobs.keep(b"" if known else message.entries, new[0].index, matched)
                log.extend(new)
                state.adopt_configurations(new)
        commit = state.rules.commit_to_believe(message.commit, matched)
        if commit > state.commit:
            state.commit = min(commit, log.last)
        self._acknowledge(me, matched, message.round)

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

    def installed(self) -> None:
        """A snapshot was taken in, or refused because it came late: what is committed here, every later leader holds."""
        following = self.state.following
        if following is not None and following.leader is not None:
            self._acknowledge(following, self.state.commit, 0)
