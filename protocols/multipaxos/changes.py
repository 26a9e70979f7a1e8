"""Changes of members as slots: the shared rules of membership, seen through the window.

What Membership calls committed is a configuration that took effect: it governs every slot not chosen yet, alpha slots after its own,
and a quorum of it has on disk that all before is chosen, so that it can go on, after a crash too, without those whom it left out. Only
then may the next change begin. So of the slots that are open at most two neighbouring configurations decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from quorate.protocols.core import Configuration, Effects, Entry, NodeId, Reason, Token
from quorate.protocols.multipaxos.proposing import Proposals
from quorate.protocols.multipaxos.roles import Leader
from quorate.protocols.multipaxos.state import State
from quorate.protocols.quorum import majority


@dataclass(slots=True)
class Changes:
    """The engine's state as Membership looks at it, and its own log and rules."""

    state: State
    proposals: Proposals

    @property
    def node(self) -> NodeId:
        return self.state.node

    @property
    def term(self) -> int:
        return self.state.ballot

    @property
    def commit(self) -> int:
        """The index of the latest configuration that took effect."""
        state, me = self.state, self.state.serving
        if me is None:
            return state.governed
        if len(state.configurations) == 1 and state.configurations[0].index <= me.took_effect:
            return me.took_effect  # as nearly always
        for configuration in reversed(state.configurations):
            if configuration.index <= state.governed and self._is_known(me, configuration):
                me.took_effect = configuration.index
                break
        return me.took_effect

    def _is_known(self, me: Leader, configuration: Configuration) -> bool:
        """Whether a quorum of it could go on without those before: it has on disk that all they had to decide is chosen."""
        state = self.state
        if not configuration.index:
            return True
        end = configuration.index + state.options.alpha - 1
        known = {**me.known, state.node: state.known_durable}
        count = sum(known.get(name, 0) >= end for name in configuration.voters)
        return state.rules.took_effect(count, majority(len(configuration.voters)))

    @property
    def leader(self) -> NodeId | None:
        return self.state.leader

    @property
    def serving(self) -> Leader | None:
        return self.state.serving

    @property
    def out(self) -> Effects:
        return self.state.out

    @property
    def configurations(self) -> list[Configuration]:
        return self.state.configurations

    @property
    def rules(self) -> "Changes":
        return self

    @property
    def log(self) -> "Changes":
        return self

    def change_is_alone(self, latest: Configuration, commit: int) -> bool:
        return self.state.rules.change_is_alone(latest, commit)

    def own_term_committed(self, commit: int, first_index: int) -> bool:
        """Whether a change could get a slot now: all that was reported has its own again, and the window is not full."""
        me = self.state.serving
        return me is not None and me.opened >= me.phase.end and self.proposals.may_open(me, me.opened + 1)

    def add(self, term: int, origin: int, kind: int, data: bytes) -> Entry:
        me = self.state.serving
        assert me is not None, self.state
        return self.proposals.open_change(me, data)

    def term_at(self, index: int) -> int | None:
        return self.state.log.term_at(index)

    def adopt_configurations(self, entries: Sequence[Entry]) -> None:
        self.state.adopt_configurations(entries)

    def refuse(self, token: Token, reason: Reason, leader: NodeId | None = None, detail: str = "") -> None:
        self.state.refuse(token, reason, leader, detail)

    def note(self, kind: str, **fields: str | int | bool | None) -> None:
        self.state.note(kind, **fields)
