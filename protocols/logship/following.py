"""A replica's work: take in what the primary ships, acknowledge what is durable, and become like the primary where it is not.

Rule kept here: of two histories the primary's stands, whatever was committed or acknowledged in the other. A replica, or a former primary,
whose log differs truncates it, rolls its state back, and says so.
"""

from quorate.protocols.core import NodeId, Snapshot
from quorate.protocols.log import unpack
from quorate.protocols.logship.messages import Heartbeat, HeartbeatReply, Mismatch, Ship, Shipped, StartOver
from quorate.protocols.logship.roles import UNALIGNED, Replica
from quorate.protocols.logship.state import State


class Following:
    """How a node that is not primary keeps its log like the primary's."""

    def __init__(self, state: State) -> None:
        self.state = state

    def on_ship(self, me: Replica, sender: NodeId, message: Ship) -> None:
        state, log = self.state, self.state.log
        previous = message.previous_index
        if previous < log.base:
            self._on_ship_below(me, sender, message)
            return
        if not state.rules.previous_matches(log, previous, message.previous_term):
            if 0 < log.base == previous:
                self._start_over(me)
            self._deny(sender, message)
            return
        matched = previous
        if message.entries:
            try:
                entries = unpack(message.entries)
            except ValueError as problem:
                state.note("ship_malformed", sender=sender, problem=str(problem))
                return
            if entries[0].index != previous + 1:
                state.note("ship_malformed", sender=sender, problem=f"entry {entries[0].index} after {previous}")
                return
            matched = entries[-1].index
            known = state.rules.first_new(log, entries)
            if known < len(entries):
                new = entries[known:] if known else entries
                if new[0].index <= log.last:
                    state.truncate(new[0].index - 1)
                    if log.last < new[0].index - 1:
                        # Not even what is before them was left.
                        self._deny(sender, message)
                        return
                state.blobs.keep(b"" if known else message.entries, new[0].index, matched)
                log.extend(new)
                state.adopt_configurations(new)
        me.aligned = max(me.aligned, matched)
        commit = min(state.rules.commit_to_believe(message.commit, matched), log.last)
        if commit > state.commit:
            state.commit = commit
        self._acknowledge(me, matched, message.round)

    def _on_ship_below(self, me: Replica, sender: NodeId, message: Ship) -> None:
        """It follows what our snapshot holds. If our log is the primary's, it is a repetition; else all we can tell is where it begins."""
        state, log = self.state, self.state.log
        if me.aligned >= log.base:
            self._acknowledge(me, me.aligned, message.round)
        else:
            reply = Mismatch(state.generation, message.previous_index, log.base_term, log.base + 1, message.round)
            state.send_after_sync(sender, reply)

    def _acknowledge(self, me: Replica, match: int, round_: int) -> None:
        """One answer for all that came in a turn; it leaves after their sync."""
        if me.ack is None or match > me.ack:
            me.ack = match
        if round_ > me.ack_round:
            me.ack_round = round_

    def _deny(self, sender: NodeId, message: Ship) -> None:
        """With a hint: the generation that we hold there and its first index, so that the primary skips a whole one at a time."""
        state, log = self.state, self.state.log
        previous = message.previous_index
        term = log.term_at(previous)
        if term is None:
            reply = Mismatch(state.generation, previous, 0, log.last + 1, message.round)
        else:
            reply = Mismatch(state.generation, previous, term, log.first_of_term(previous), message.round)
        state.send_after_sync(sender, reply)

    def on_start_over(self, me: Replica, message: StartOver) -> None:
        log = self.state.log
        if me.aligned == UNALIGNED and (log.base, log.base_term) == (message.index, message.term) and log.base:
            self._start_over(me)

    def _start_over(self, me: Replica) -> None:
        self.state.start_over()
        me.aligned = 0
        me.ack = None

    def on_heartbeat(self, sender: NodeId, message: Heartbeat) -> None:
        """Answered at once: it acknowledges nothing. What it says of the commit index, this log has acknowledged."""
        state = self.state
        commit = min(message.commit, state.log.last)
        if commit > state.commit:
            state.commit = commit
        reply = HeartbeatReply(state.generation, message.round, state.log.last)
        if state.promise_durable:
            state.send(sender, reply)
        else:
            state.send_after_sync(sender, reply)

    def flush(self, me: Replica) -> None:
        """Put the turn's acknowledgement among the effects."""
        if me.ack is None or me.primary is None:
            return
        state = self.state
        reply = Shipped(state.generation, me.ack, me.ack_round)
        if state.rules.acks_after_sync():
            state.send_after_sync(me.primary, reply)
        else:
            state.send(me.primary, reply)
        me.ack = None

    def received(self, me: Replica, sender: NodeId, snapshot: Snapshot) -> None:
        """A snapshot is here. Whether it is of this primary's history shows when the next entries follow it, or do not."""
        log = self.state.log
        late = sender != me.primary or me.aligned >= snapshot.index or snapshot.index <= log.base
        # Begun when the same node was primary before: what follows a place that both logs hold is not older than that place.
        stale = me.aligned != UNALIGNED and snapshot.term < (log.term_at(me.aligned) or 0)
        if not late and not stale and log.term_at(snapshot.index) != snapshot.term:
            self.state.install(snapshot)
            me.aligned = UNALIGNED
            me.ack = None
