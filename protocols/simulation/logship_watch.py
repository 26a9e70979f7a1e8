"""The invariants that log shipping keeps, in the place of those of consensus: it keeps far fewer.

The rule it keeps: (index, generation) names an entry and, by log matching, the whole history before it; so each generation has one
history, its primary's, and everybody is judged by that of the generation that it belongs to. That the histories of two generations
contradict each other, and acknowledged writes are gone, is no violation here: it is counted. `Watch`, the eye that all other engines are
under, calls it by its name (tests/cluster/verify/test_logship_losses.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quorate.protocols.core import Configuration, Core, Effects, Entry, Kind, Member, Message, NodeId
from quorate.protocols.log import unpack
from quorate.protocols.logship import Logship
from quorate.protocols.logship.messages import Ship, Shipped
from quorate.protocols.logship.roles import Heir, Primary
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.invariants import (
    ANSWER_TRUE,
    COMMIT_GROWS,
    FRESH_READ,
    FROZEN_DURABLE,
    LEADER_APPENDS,
    LOG_MATCHING,
    MATCHING_KEPT,
    REAL_TIME,
    SNAPSHOT_STATE,
    TERM_GROWS,
    Watch,
)
from quorate.protocols.simulation.ledger import COMMITTED_PREFIXES, Ledger, Violation
from quorate.protocols.simulation.machine import Image, chain
from quorate.protocols.simulation.policy import mix
from quorate.protocols.simulation.workload import Operation

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node

ONE_PRIMARY = "a generation has one primary, ever"
PREFIX = "a replica's log is a prefix of its primary's"
PRIMARY_HOLDS = "what is committed lies on its primary's disk"
ACKNOWLEDGED = "semi-synchronous: what is committed was acknowledged by as many replicas as asked for"
GOOD_ORDER = "a switch-over in good order loses nothing"

Place = tuple[int, int]
"""(index, generation)"""


@dataclass(slots=True)
class Written:
    """What stands at one place, and the history up to it."""

    entry: Entry
    before: int
    """The generation of the entry before."""
    digest: int


@dataclass(slots=True)
class History:
    """One generation's, as its primary has written it."""

    primary: str
    """The disk."""
    terms: dict[int, int]
    """By index, as far as the primary had them when it began."""
    committed: int = 0
    """The highest index that anyone has committed in this generation."""
    floor: int = 0
    """Clients have seen the effect of this index."""
    succeeded: bool = False
    """Its primary has handed over: nothing more commits in it."""
    acked: dict[str, int] = field(default_factory=dict)
    """How far each disk has acknowledged."""


class RewrittenLedger(Ledger):
    """The history of the newest primary that has committed anything: the older one's tail is cut off where they part."""

    def __init__(self, bootstrap: Configuration) -> None:
        super().__init__(bootstrap)
        self._bootstrap = bootstrap

    def cut(self, index: int) -> None:
        """Forget everything above `index`."""
        for origin, _, _ in self._entries[index + 1 :]:
            self._origins.pop(origin, None)
        for of_each in (self.terms, self.decided_in, self.digests, self._entries):
            del of_each[index + 1 :]
        self._earlier = []
        configurations = (
            Configuration.decode(data, at) for at, (_, kind, data) in enumerate(self._entries) if at and kind == Kind.CONFIGURATION
        )
        self.configuration = max(configurations, key=lambda one: one.index, default=self._bootstrap)


class LogshipWatch(Watch):
    """Sees everything that the nodes of one world do, and raises Violation."""

    def __init__(self, engine: Engine, bootstrap: Configuration, nodes: Mapping[NodeId, "Node"]) -> None:
        super().__init__(engine, bootstrap, nodes)
        self.ledger: RewrittenLedger = RewrittenLedger(bootstrap)
        self._places: dict[Place, Written] = {}
        self._histories: dict[int, History] = {}
        self._handed_over: dict[int, int] = {}
        """By generation that began in good order: the one before it."""
        self._answered: dict[Place, int] = {}
        """Acknowledged writes: their tokens."""
        self.lost: set[Place] = set()
        """Those that the history of the newest primary did not hold."""

    # --- what a node does ---

    def started(self, node: "Node", core: Core) -> None:
        super().started(node, core)
        # What a primary had written and its disk had not, never left it: its next life writes other entries there.
        generation, last = node.term, node.disk.durable.last
        history = self._histories.get(generation)
        if history is not None and history.primary == node.storage:
            for index in [index for index in history.terms if index > last]:
                del history.terms[index]
                self._places.pop((index, generation), None)
                self._identities.pop((index, generation), None)

    def floor(self, node: "Node") -> int:
        history = self._histories.get(node.term)
        return 0 if history is None else history.floor

    def _saw(self, node: "Node", index: int) -> None:
        """Clients have seen the effect of `index` at this node."""
        history = self._histories.get(node.leads)
        if history is not None:
            history.floor = max(history.floor, index)

    def _primary(self) -> "Node | None":
        leading = [node for node in self._nodes.values() if node.core is not None and node.leads]
        return max(leading, key=lambda node: node.leads, default=None)

    def goal(self) -> int:
        primary = self._primary()
        return self.ledger.end + 1 if primary is None else primary.commit

    def members(self) -> list[Member]:
        primary = self._primary()
        return [] if primary is None or primary.core is None else list(primary.core.configuration.members)

    def agreed(self, node: "Node") -> int:
        primary, applied, term = self._primary(), node.machine.applied, node.machine.term
        return 0 if primary is None or not self._is_of(primary.term, (applied, term)) else applied

    def took(self, node: "Node", core: Core, effects: Effects) -> None:
        term, leads, commit, last = self._view.glance(core)
        self.fingerprint = mix(self.fingerprint ^ (((term << 20) ^ commit) << 24) ^ (last << 4) ^ node.number, effects.serial)
        if term < node.term:
            raise Violation(TERM_GROWS, f"{node} falls from generation {node.term} to {term}")
        if effects.rollback:
            assert effects.snapshot is not None
            node.commit = node.taken = effects.snapshot.index
        elif effects.snapshot is not None:
            node.taken = max(node.taken, effects.snapshot.index)
        if commit < node.commit or commit > last:
            raise Violation(COMMIT_GROWS, f"{node} goes from commit {node.commit} to {commit} with a log that ends at {last}")
        if effects.truncate is not None:
            self._truncates(node, effects, leads and term == node.leads)
        for refused in effects.refused:
            self.ledger.refused(refused.token, str(node))
        before, node.term, node.commit = node.term, term, commit
        begins = isinstance(core, Logship) and isinstance(core.state.role, Heir | Primary) and before < term
        if begins and all(note.kind != "promoted_by_hand" for note in effects.notes):
            self._handed_over[term] = before
        if leads:
            self._begins(node, core, term)
        if effects.committed:
            self._commits(node, core, effects.committed, leads, before)

    def sends(self, node: "Node", to: NodeId, message: Message) -> None:
        match message:
            case Ship(generation, index, term):
                if message.entries:
                    last = unpack(message.entries)[-1]
                    index, term = last.index, last.term
                if node.term == generation and not node.disk.durable.holds(index, term):
                    raise Violation(PREFIX, f"{node} ships {index} of {term}, which its own disk may still lose")
            case Shipped(generation, match):
                history = self._histories.get(generation)
                if history is None:
                    return
                at = history.terms.get(match)
                if at is not None and node.term == generation and not node.disk.durable.holds(match, at):
                    raise Violation(PREFIX, f"{node} acknowledges {match} of {at} to {to}, which its disk does not hold")
                history.acked[node.storage] = max(history.acked.get(node.storage, 0), match)

    def applied(self, node: "Node", entry: Entry, result: bytes) -> None:
        written = self._places.get((entry.index, entry.term))
        if written is None or node.machine.digest != written.digest:
            raise Violation(COMMITTED_PREFIXES, f"{node} has applied what no primary has written up to {entry.index} of {entry.term}")

    def freezes(self, node: "Node", image: Image) -> None:
        index, term = image.snapshot.index, image.snapshot.term
        if not node.disk.durable.holds(index, term):
            raise Violation(FROZEN_DURABLE, f"{node} freezes at {index} of {term}, but its disk ends at {node.disk.durable.last}")
        self.snapshot(node, image)

    def snapshot(self, node: "Node", image: Image) -> None:
        written = self._places.get((image.snapshot.index, image.snapshot.term))
        if written is None or image.digest != written.digest:
            raise Violation(SNAPSHOT_STATE, f"{node} has {image}, which is no replay of any log")

    def answers(self, node: "Node", operation: Operation) -> None:
        applied = node.machine.applied
        if applied < operation.floor:
            raise Violation(
                FRESH_READ, f"{node} answers from {applied} a read that began when its generation had acknowledged {operation.floor}"
            )
        self._saw(node, applied)

    def acknowledges(self, node: "Node", operation: Operation, index: int) -> None:
        place = (index, node.machine.term)
        if self._places[place].entry.origin != operation.token:
            raise Violation(ANSWER_TRUE, f"{node} acknowledges {operation.data!r} at {index}, where another's entry is committed")
        if index <= operation.floor:
            raise Violation(REAL_TIME, f"{node} commits at {index} a write that began when {operation.floor} was acknowledged")
        self._answered[place] = operation.token
        self._saw(node, index)

    def full_check(self) -> None:
        for node in self._nodes.values():
            fold = node.disk.durable
            if len(fold.entries) != fold.last - fold.base:
                raise Violation(LOG_MATCHING, f"{node} has a durable log with a gap: {fold.base} then {sorted(fold.entries)}")

    # --- the rules ---

    def _identify(self, node: "Node", entries: list[Entry]) -> None:
        """As of all engines, and the digest of the history up to each place."""
        super()._identify(node, entries)
        before, fold = entries[0].index - 1, node.written
        previous = fold.entries.get(before)
        term = previous.term if previous is not None else fold.snapshot.term if fold.snapshot is not None and before == fold.base else 0
        history = self._histories.get(node.term)
        for entry in entries:
            place = (entry.index, entry.term)
            if place not in self._places:
                digest = self._places[before, term].digest if before else 0
                self._places[place] = Written(entry, term, chain(digest, entry))
            if history is not None and history.primary == node.storage:
                history.terms[entry.index] = entry.term
            before, term = place

    def _begins_to_lead(self, node: "Node", core: Core, term: int) -> None:
        node.leads, self._newest = term, max(self._newest, term)

    def _truncates(self, node: "Node", effects: Effects, leading: bool) -> None:
        assert effects.truncate is not None
        index = effects.truncate + 1
        here = node.written.entries.get(index)
        if here is None:
            return
        if leading:
            raise Violation(LEADER_APPENDS, f"{node} truncates its log after {effects.truncate}")
        if effects.entries and effects.entries[0].index == index and effects.entries[0].term == here.term:
            raise Violation(MATCHING_KEPT, f"{node} drops {index} of {here.term} only to write it again")

    def _begins(self, node: "Node", core: Core, term: int) -> None:
        assert isinstance(core, Logship)
        history = self._histories.get(term)
        if history is None:
            terms = {index: entry.term for index, entry in node.written.entries.items()}
            history = self._histories[term] = History(node.storage, terms)
            history.floor = max((index for index, at in self._answered if node.written.holds(index, at)), default=0)
            former = self._handed_over.get(term)
            if former in self._histories:
                self._begins_in_good_order(node, former)
        elif history.primary != node.storage:
            raise Violation(ONE_PRIMARY, f"{node} is primary of generation {term}, which {history.primary} was")

    def _begins_in_good_order(self, node: "Node", former: int) -> None:
        """Whoever stepped down for this node held all that its generation has committed, and commits nothing more."""
        history = self._histories[former]
        history.succeeded = True
        at = history.terms.get(history.committed)
        if at is not None and not node.written.holds(history.committed, at):
            raise Violation(GOOD_ORDER, f"{node} takes over from generation {former} without {history.committed} of {at}")

    def _commits(self, node: "Node", core: Core, committed: list[Entry], leads: bool, before: int) -> None:
        """`before` is the generation in which the turn began: it may have heard of these, and then of newer generations."""
        assert isinstance(core, Logship)
        if committed[0].index != node.taken + 1 or committed[-1].index != node.taken + len(committed):
            raise Violation(COMMITTED_PREFIXES, f"{node} commits {[entry.index for entry in committed]} after {node.taken}")
        node.taken = committed[-1].index
        last = committed[-1]
        heard = sorted((one for one in self._histories if before <= one <= node.term), reverse=True)
        generation = next((one for one in heard if self._is_of(one, (last.index, last.term))), None)
        if generation is None:
            raise Violation(PREFIX, f"{node} commits {last.index} of {last.term}; no primary from {before} to {node.term} has")
        history = self._histories[generation]
        if history.succeeded and last.index > history.committed:
            raise Violation(GOOD_ORDER, f"{node} commits {last.index} in generation {generation}, which another has taken over")
        history.committed = max(history.committed, last.index)
        self._is_on_primary(node, generation, last)
        if leads:
            self._is_acknowledged(node, core, history, last)
        if generation >= max((other.leads for other in self._nodes.values() if other.core is not None), default=0):
            self._rewrite((last.index, last.term), node)

    def _compare_matches(self, node: "Node", core: Core, term: int) -> None:
        """Nothing is known of who has begun anew, or was taken out and added again."""
        _, known = self._matches.get(node.name, (0, {}))
        for name, match in self._view.matches(core).items():
            member = core.configuration.get(name)
            if member is not None and not match:
                known.pop(member.number, None)
        super()._compare_matches(node, core, term)

    def _is_of(self, generation: int, place: Place) -> bool:
        """Whether that generation's history has this place, as far as is known."""
        history = self._histories.get(generation)
        if history is None:
            return False
        # Below what its log holds, all is behind the snapshot that the primary began with.
        return history.terms.get(place[0]) == place[1] or place[0] < min(history.terms, default=0)

    def _is_on_primary(self, node: "Node", generation: int, last: Entry) -> None:
        primary = self._histories[generation].primary
        for other in self._nodes.values():
            holds = other.disk.durable.holds(last.index, last.term)
            if other.storage == primary and other.term == generation and not holds:
                raise Violation(PRIMARY_HOLDS, f"{node} commits {last.index} of {last.term}, which {other} has not on its disk")

    def _is_acknowledged(self, node: "Node", core: Logship, history: History, last: Entry) -> None:
        role = core.state.role
        if not isinstance(role, Primary) or not role.semisync:
            return
        acks = core.state.options.acks
        disks = [member.storage for member in core.configuration.members if member.voter and member.name != node.name]
        holding = [disk for disk in disks if history.acked.get(disk, 0) >= last.index]
        if len(holding) < acks:
            raise Violation(ACKNOWLEDGED, f"{node} commits {last.index}; only {holding} have acknowledged it, {acks} are asked for")

    def _rewrite(self, place: Place, node: "Node") -> None:
        """The ledger becomes the history that leads to this place; what it must give up for that is lost."""
        ledger, path = self.ledger, list[Written]()
        while place[0] and not (place[0] <= ledger.end and ledger.terms[place[0]] == place[1]):
            written = self._places[place]
            path.append(written)
            place = (place[0] - 1, written.before)
        if not path:
            return
        gone = [(index, ledger.terms[index]) for index in range(place[0] + 1, ledger.end + 1)]
        if gone:
            ledger.cut(place[0])
            lost = {one for one in gone if one in self._answered}
            self.lost |= lost
            node.host.coverage.reach("history rewritten")
            if lost:
                node.host.coverage.reach("acknowledged writes lost", len(lost))
        for written in reversed(path):
            ledger.commit(written.entry, str(node), node.term)
