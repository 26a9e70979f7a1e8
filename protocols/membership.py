"""Membership changes: one at a time, in force from the append on, learners first.

Ongaro's thesis, chapter 4. A change is a whole new configuration in one entry. It needs the one before it committed, and an
entry of the leader's own term before it. A learner becomes a voter once it has caught up, by itself where its member says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from quorate.protocols.core import (
    NO_ORIGIN,
    AddLearner,
    Change,
    Configuration,
    Effects,
    Entry,
    Kind,
    Member,
    NodeId,
    Promote,
    Reason,
    Remove,
    Token,
)


class Leading(Protocol):
    """The role of a leader that may serve."""

    @property
    def first_index(self) -> int: ...


Role = TypeVar("Role", bound=Leading)
Taken = TypeVar("Taken", bound=Leading, contravariant=True)
Given = TypeVar("Given", bound=Leading, covariant=True)


class Followers(Protocol[Taken]):
    """What a leader knows of its followers, as far as changes go."""

    def on_changed(self, me: Taken) -> None:
        """Another configuration is in force: know its members, and count quorums anew."""

    def forget(self, me: Taken, name: NodeId) -> None:
        """Another disk stands under this name: it holds nothing that the old one acknowledged."""

    def lacks(self, me: Taken, name: NodeId) -> str:
        """Why the learner has not caught up; empty if it has."""


class ChangeRules(Protocol):
    """The engine's rules, as far as changes go."""

    def change_is_alone(self, latest: Configuration, commit: int) -> bool: ...

    def own_term_committed(self, commit: int, first_index: int) -> bool: ...


class ChangeLog(Protocol):
    """Where changes get their places."""

    def add(self, term: int, origin: int, kind: int, data: bytes) -> Entry: ...

    def term_at(self, index: int) -> int | None:
        """The term in which what stands there was first appended; None if it is gone."""


class Changing(Protocol[Given]):
    """The engine's state, as far as changes go."""

    @property
    def configurations(self) -> list[Configuration]: ...

    @property
    def node(self) -> NodeId: ...

    @property
    def rules(self) -> ChangeRules: ...

    @property
    def log(self) -> ChangeLog: ...

    @property
    def term(self) -> int: ...

    @property
    def commit(self) -> int: ...

    @property
    def leader(self) -> NodeId | None: ...

    @property
    def serving(self) -> Given | None: ...

    @property
    def out(self) -> Effects: ...

    def adopt_configurations(self, entries: Sequence[Entry]) -> None: ...

    def refuse(self, token: Token, reason: Reason, leader: NodeId | None = None, detail: str = "") -> None: ...

    def note(self, kind: str, **fields: str | int | bool | None) -> None: ...


@dataclass(slots=True)
class Pending:
    """A change proposed here, whose entry has no fate yet."""

    index: int
    term: int
    token: Token


class Membership(Generic[Role]):
    """Changes asked of this node, and their outcome."""

    def __init__(self, state: Changing[Role], followers: Followers[Role]) -> None:
        self.state = state
        self.followers = followers
        self.pending: list[Pending] = []
        """At most one per leadership; older ones wait for their place in the log to be decided."""

    def reconfigure(self, change: Change, token: Token) -> None:
        state = self.state
        role = state.serving
        if role is None:
            state.refuse(token, Reason.NOT_LEADER, state.leader)
            return
        reason, detail = self._obstacle(role)
        changed: Configuration | None = None
        if reason is None:
            changed, reason, detail = self._changed(role, change)
        if changed is None:
            assert reason is not None, change
            state.refuse(token, reason, state.node, detail)
            return
        self._append(role, changed, token)

    def _obstacle(self, me: Role) -> tuple[Reason | None, str]:
        """Why no change at all can be made now."""
        state = self.state
        if not state.rules.change_is_alone(state.configurations[-1], state.commit):
            return Reason.CHANGE_IN_FLIGHT, f"the change at index {state.configurations[-1].index} is not committed yet"
        if not state.rules.own_term_committed(state.commit, me.first_index):
            return Reason.CHANGE_IN_FLIGHT, "the new leader has not committed an entry of its own term yet; try again"
        return None, ""

    def _changed(self, me: Role, change: Change) -> tuple[Configuration | None, Reason | None, str]:
        """The configuration after `change`, or why it is refused."""
        current = self.state.configurations[-1]
        match change:
            case AddLearner(member):
                known = current.get(member.name)
                if known is not None and known.voter:
                    return None, Reason.BAD_CHANGE, f"{member.name} is a voter; remove it first"
                obstacle = _number_obstacle(current, member)
                if obstacle:
                    return None, Reason.BAD_CHANGE, obstacle
                if known is not None and known.storage != member.storage:
                    self.followers.forget(me, member.name)
                return current.with_member(replace(member, voter=False)), None, ""
            case Promote(name):
                known = current.get(name)
                if known is None or known.voter:
                    return None, Reason.BAD_CHANGE, f"{name} is not a learner"
                lacks = self.followers.lacks(me, name)
                if lacks:
                    return None, Reason.NOT_CAUGHT_UP, lacks
                return current.with_member(replace(known, voter=True, promote=False)), None, ""
            case Remove(name):
                if current.get(name) is None:
                    return None, Reason.BAD_CHANGE, f"{name} is not a member"
                if current.voters == {name}:
                    return None, Reason.BAD_CHANGE, f"{name} is the last voter"
                return current.without(name), None, ""
            case _:
                return None, Reason.BAD_CHANGE, f"this engine knows no {type(change).__name__}"

    def _append(self, me: Role, changed: Configuration, token: Token | None) -> None:
        state = self.state
        entry = state.log.add(state.term, NO_ORIGIN, Kind.CONFIGURATION, changed.encode())
        state.adopt_configurations([entry])
        self.followers.on_changed(me)
        if token is not None:
            self.pending.append(Pending(entry.index, entry.term, token))
        names = ",".join(member.name if member.voter else f"{member.name}(learner)" for member in changed.members)
        state.note("configuration_appended", index=entry.index, members=names)

    def promote_caught_up(self, me: Role) -> None:
        """Once a turn: make a voter of a learner that is to become one and has caught up."""
        configuration = self.state.configurations[-1]
        if len(configuration.voters) == len(configuration.members) or self._obstacle(me)[0] is not None:
            return
        for member in configuration.members:
            if member.promote and not member.voter and not self.followers.lacks(me, member.name):
                self._append(me, configuration.with_member(replace(member, voter=True, promote=False)), None)
                return

    def settle(self, committed_from: int) -> None:
        """The commit index moved up from `committed_from`: tell what became of changes."""
        state = self.state
        for configuration in state.configurations:
            if committed_from < configuration.index <= state.commit:
                state.note("configuration_committed", index=configuration.index)
        # Everything below the last committed one is history: a truncation never reaches it.
        while len(state.configurations) > 1 and state.configurations[1].index <= state.commit:
            state.configurations.pop(0)
        while self.pending and self.pending[0].index <= state.commit:
            pending = self.pending.pop(0)
            term = state.log.term_at(pending.index)
            if term == pending.term:
                state.out.done.append(pending.token)
            elif term is not None:
                state.refuse(pending.token, Reason.SUPERSEDED, state.leader)


def _number_obstacle(current: Configuration, joining: Member) -> str:
    """Why the member cannot bear its number; empty if it can. A number names the proposals of one disk, for as long as the group lives."""
    free = "none is left" if current.free_number is None else f"{current.free_number} is free"
    if joining.number in current.former:
        return f"number {joining.number} belonged to a former member; {free}"
    for other in current.members:
        if other.number == joining.number and (other.name, other.storage) != (joining.name, joining.storage):
            owner = "the disk that it had before" if other.name == joining.name else other.name
            return f"number {joining.number} belongs to {owner}; {free}"
    return ""
