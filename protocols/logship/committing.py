"""When a write is committed: on the primary's own disk, or also on those of `acks` replicas.

Semi-synchronous as MySQL's plugin has it, with AFTER_SYNC: the write is in the log and shipped, but neither applied nor answered before the
acknowledgements. If none comes within the timeout, the primary goes on alone, as in the asynchronous mode, until enough replicas have
caught up (at once where there are not so many members). In between it acknowledges what only its own disk holds: the promise of this
mode is only as good as that timeout.
"""

from quorate.protocols.logship.roles import Primary
from quorate.protocols.logship.shipping import Shipping
from quorate.protocols.logship.state import State
from quorate.protocols.progress import CatchUp


class Committing:
    """A primary's counting."""

    def __init__(self, state: State, shipping: Shipping) -> None:
        self.state = state
        self.shipping = shipping

    def count(self, me: Primary) -> None:
        """Once a turn: move the commit index, change between waiting and not waiting."""
        state, options = self.state, self.state.options
        waits = me.waiting_since is not None and state.timer - me.waiting_since >= options.ack_timeout_ticks
        if not me.counting_due and not waits:
            return
        me.counting_due = False
        own = state.rules.own_match(state.log)
        index = own
        if options.semisync:
            replicas = [peer for name, peer in me.peers.items() if name in state.configuration.voters]
            acked = state.rules.waits_for([peer.match for peer in replicas], options.acks)
            if not me.semisync:
                me.catch_up.advance(acked, state.log.last, state.timer, options.ack_timeout_ticks)
                if acked >= state.log.last or me.catch_up.fast:
                    me.semisync = True
                    state.note("semisync_on", acked=acked, last=state.log.last)
            elif len(replicas) < options.acks or (waits and acked < own):
                me.semisync = False
                me.catch_up = CatchUp(state.log.last, state.timer)
                state.note("semisync_off", acked=acked, last=state.log.last, waited=options.ack_timeout_ticks)
            index = min(own, acked) if me.semisync else own
        if index > state.commit:
            state.commit = index
            me.waiting_since = None
            while me.batches and me.batches[0][0] <= index:
                me.uncommitted_bytes -= me.batches.popleft()[1]
        if state.commit >= own:
            me.waiting_since = None
        elif me.waiting_since is None:
            me.waiting_since = state.timer
