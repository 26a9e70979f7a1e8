"""A voter's promise to its leader's lease: after a pong it accepts no later epoch until that lease has run out.

The rule it keeps: counted from the tick after the answer, not from the ping's arrival, for a ping read after a stall is younger than
our clock says. HANDOVER releases from it, since the leader dropped its lease first.
"""

from quorate.protocols.zab.state import State


class Promises:
    """What this node owes the last leader that it answered."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.until = state.rules.promised_at_start(state.restarted, state.options.promise_ticks)
        """In elapsed ticks."""
        self.fresh = False
        """A leader was answered since the last tick: how late it is now will show with the next."""

    def give(self) -> None:
        self.fresh = True

    def release(self) -> None:
        self.fresh, self.until = False, 0

    def tick(self) -> None:
        if self.fresh:
            self.fresh = False
            self.until = max(self.until, self.state.now + self.state.options.promise_ticks)

    @property
    def bind(self) -> bool:
        """Whether no later epoch may be accepted now, not our own either."""
        state = self.state
        until = state.now + state.options.promise_ticks if self.fresh else self.until
        return state.rules.keeps_promise(state.now, until)
