"""The invariants of consensus, asserted while a world runs (consensus.md, "Invariants to assert after every simulated step").

The rule it keeps: every check is incremental over the node that changed and costs O(1), with a full check every some events;
so they are on all the time. What an engine calls its terms, votes and matches comes through its View.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quorate.protocols.core import Configuration, Core, Effects, Entry, Kind, Member, Message, NodeId, born
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.exactly_once import ExactlyOnce
from quorate.protocols.simulation.ledger import COMMITTED_PREFIXES, Ledger, Violation
from quorate.protocols.simulation.machine import Image
from quorate.protocols.simulation.policy import mix
from quorate.protocols.simulation.workload import Operation

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node

ONE_LEADER = "one node and incarnation leads a term, ever"
QUORUM_DURABLE = "a quorum's durable logs hold every committed entry"
LOG_MATCHING = "two logs with one entry in common agree up to it"
VOTE_DURABLE = "a vote is durable before it is given"
ASKED_DURABLE = "a candidate asks with a term, a vote and a log that are durable"
ELECTED = "a leader has the votes of a majority of its voters"
ONE_LEASE = "nobody leads a later term while a lease is relied on"
LEADER_APPENDS = "a leader never overwrites its own log"
LEADER_COMPLETE = "a leader's log holds every entry committed in earlier terms"
OWN_TERM = "a leader commits only entries of its own term by counting"
TERM_GROWS = "a node's term never falls"
ONE_VOTE = "a node grants one vote per term"
COMMIT_GROWS = "commit never falls and never passes the end of the log"
MATCH_GROWS = "what a leader knows of a peer's log never falls"
ONE_CHANGE = "one membership change at a time, and quorums overlap"
MATCHING_KEPT = "a matching or committed suffix is never truncated"
SNAPSHOT_STATE = "a snapshot's state is the replay of its prefix"
DURABLE_TRUE = "what a core counts as durable is on its disk"
FROZEN_DURABLE = "a snapshot is frozen only at an index that is durable here"
FRESH_READ = "a read sees every write acknowledged before it began"
FRESH_LEASE_READ = "a lease read sees every write acknowledged before it began"
ANSWER_TRUE = "an acknowledged write is the one that was committed"
REAL_TIME = "a write comes after everything acknowledged before it began"

# Followers' matches are compared on every so many steps of a leader: the check walks all peers.
MATCH_CHECK_STEPS = 16


class Watch:
    """Sees everything that the nodes of one world do, and raises Violation."""

    def __init__(self, engine: Engine, bootstrap: Configuration, nodes: Mapping[NodeId, "Node"]) -> None:
        self._engine = engine
        self._view = engine.view
        self._laws = None if engine.laws is None else engine.laws(nodes)
        self._nodes = nodes
        self.ledger = Ledger(bootstrap)
        self.exactly_once = ExactlyOnce()
        self.acknowledged = 0
        """The highest index that any client has seen the effect of."""
        self._leaders: dict[int, tuple[NodeId, int]] = {}
        self._newest = 0
        """The highest term that anybody has led."""
        self._votes: dict[tuple[str, int], NodeId] = {}
        self._identities: dict[tuple[int, int], tuple[int, int, bytes, int]] = {}
        self._matches: dict[NodeId, tuple[int, dict[int, int]]] = {}
        self._steps = 0
        self.fingerprint = 0
        """A digest of every step of every node: two runs of one seed that differ in anything differ in this."""

    # --- what a node does, in the order in which it does it ---

    def started(self, node: "Node", core: Core) -> None:
        """The node begins an incarnation from what its disk gave back."""
        term, _, commit, _ = self._view.glance(core)
        if node.disk.durable.promise is not None:
            durable, vote = node.promised = self._view.promised(node.disk.durable.promise)
            if term < durable:
                raise Violation(TERM_GROWS, f"{node} starts in term {term} with term {durable} on its disk")
            self._voted(node.storage, durable, vote)
        node.term, node.commit = term, commit
        self._matches.pop(node.name, None)

    def took(self, node: "Node", core: Core, effects: Effects) -> None:
        """The node took effects and has carried out none of them yet."""
        term, leads, commit, last = self._view.glance(core)
        state = (
            (((term << 20) ^ commit) << 24) ^ (len(effects.sends) << 16) ^ (len(effects.sends_after_sync) << 8) ^ (last << 4) ^ node.number
        )
        self.fingerprint = mix(self.fingerprint ^ state, effects.serial)
        if term < node.term:
            raise Violation(TERM_GROWS, f"{node} falls from term {node.term} to {term}")
        if commit < node.commit or commit > last:
            raise Violation(COMMIT_GROWS, f"{node} goes from commit {node.commit} to {commit} with a log that ends at {last}")
        if effects.truncate is not None:
            self._truncates(node, effects, leads and term == node.leads)
        if effects.snapshot is not None and effects.snapshot.index > self.ledger.end:
            raise Violation(SNAPSHOT_STATE, f"{node} has a snapshot at {effects.snapshot.index}, past the commit point {self.ledger.end}")
        for refused in effects.refused:
            self.ledger.refused(refused.token, str(node))
        if effects.snapshot is not None:
            node.taken = max(node.taken, effects.snapshot.index)
        node.term, node.commit = term, commit
        if effects.committed:
            self._committed(node, core, effects.committed, leads)

    def wrote(self, node: "Node", core: Core, effects: Effects) -> None:
        """The node's batch is in its log, though not durable yet."""
        if self._laws is not None:
            self._laws.wrote(node, core, effects)
        term, leads, commit, _ = self._view.glance(core)
        if effects.promise is not None:
            self._promises(node, effects.promise)
        if effects.entries:
            if not self._engine.slots:
                self._identify(node, effects.entries)
            for entry in effects.entries:
                if entry.kind == Kind.CONFIGURATION and leads and entry.term == term:
                    self._changes(node, entry, commit)
        if not leads:
            node.leads = 0
            return
        if node.leads != term:
            self._begins_to_lead(node, core, term)
        lease = self._engine.lease
        # Between two turns a core that has stood still does not know the time yet; no read asks it before it does.
        if term < self._newest and lease is not None and node.on_time and lease(core):
            raise Violation(ONE_LEASE, f"{node} relies on its lease; {self._leaders[self._newest]} leads term {self._newest}")
        self._steps += 1
        if not self._steps % MATCH_CHECK_STEPS:
            self._compare_matches(node, core, term)

    def synced(self, node: "Node", core: Core) -> None:
        """The core was told that batches are durable, and has taken in nothing else since its last turn."""
        index = self._view.durable(core)
        entry = node.written.entries.get(index)
        if entry is not None and not node.disk.durable.holds(index, born(entry)):
            raise Violation(
                DURABLE_TRUE,
                f"{node} counts {index} of term {entry.term} as durable; its disk holds {node.disk.durable.entries.get(index)}",
            )

    def sends(self, node: "Node", to: NodeId, message: Message) -> None:
        """The node lets a message go."""
        grant = self._view.granted(message)
        if grant is not None:
            term, candidate = grant
            candidate = to if candidate is None else candidate
            self._voted(node.storage, term, candidate)
            if not self._has_promised(node, term, candidate):
                raise Violation(VOTE_DURABLE, f"{node} votes for {candidate} in term {term}; its disk holds {node.disk.durable.promise}")
        if self._engine.asks is not None and (asked := self._engine.asks(message)) is not None:
            term, index, last_term = asked
            # What it gave up itself in the meantime it may still have asked with.
            lost = node.written.holds(index, last_term) and not node.disk.durable.holds(index, last_term)
            if lost or not self._has_promised(node, term, node.name):
                raise Violation(ASKED_DURABLE, f"{node} asks for votes in term {term} with a log up to {index}; its disk knows less")

    def _has_promised(self, node: "Node", term: int, vote: NodeId) -> bool:
        """Whether the disk knows of this vote, or of a later term."""
        promise = node.disk.durable.promise
        kept = vote if self._engine.keeps_votes else None
        return promise is not None and (self._view.promised(promise) == (term, kept) or self._view.promised(promise)[0] > term)

    def applied(self, node: "Node", entry: Entry, result: bytes) -> None:
        """The node's state machine moved forward by one entry."""
        machine = node.machine
        if machine.digest != self.ledger.digests[machine.applied]:
            raise Violation(COMMITTED_PREFIXES, f"{node} has applied another history up to {machine.applied}")
        if entry.kind == Kind.COMMAND and machine.witness is not None:
            self.exactly_once.applied(node, entry, result, machine.witness.index == entry.index)

    def freezes(self, node: "Node", image: Image) -> None:
        """The node takes a snapshot of its own state."""
        index, term = image.snapshot.index, image.snapshot.term
        if not node.disk.durable.holds(index, term):
            raise Violation(FROZEN_DURABLE, f"{node} freezes at {index} of term {term}, but its disk ends at {node.disk.durable.last}")
        self.snapshot(node, image)

    def snapshot(self, node: "Node", image: Image) -> None:
        """A snapshot image was made or is about to be restored."""
        index = image.snapshot.index
        if index > self.ledger.end or image.digest != self.ledger.digests[index] or image.snapshot.term != self.ledger.terms[index]:
            raise Violation(SNAPSHOT_STATE, f"{node} has {image}, which no replay of the committed log gives")

    def answers(self, node: "Node", operation: Operation) -> None:
        """A read is answered from the node's state as it is now."""
        applied = node.machine.applied
        if applied < operation.floor:
            invariant = FRESH_LEASE_READ if operation.kind == "lease" else FRESH_READ
            raise Violation(invariant, f"{node} answers from {applied} a read that began when {operation.floor} was acknowledged")
        self.acknowledged = max(self.acknowledged, applied)

    def floor(self, node: "Node") -> int:
        """What had been acknowledged to anyone when this node is asked."""
        return self.acknowledged

    def goal(self) -> int:
        """Up to where all members are to agree by now."""
        return self.ledger.end

    def members(self) -> list[Member]:
        """Who is to agree."""
        return list(self.ledger.configuration.members)

    def agreed(self, node: "Node") -> int:
        """How far the node has applied what all are to agree on."""
        return node.machine.applied

    def acknowledges(self, node: "Node", operation: Operation, index: int) -> None:
        """A write is acknowledged to its client."""
        if self.ledger.origin(index) != operation.token:
            raise Violation(
                ANSWER_TRUE, f"{node} acknowledges {operation.data!r} at {index}, where {self.ledger.origin(index):x} is committed"
            )
        if index <= operation.floor:
            raise Violation(REAL_TIME, f"{node} commits at {index} a write that began when {operation.floor} was acknowledged")
        self.acknowledged = max(self.acknowledged, index)

    def full_check(self) -> None:
        """What incremental checks cannot see: the durable logs, all together, still hold everything committed."""
        # What was committed under a change that never committed lies on a quorum of that change: every quorum of the
        # configuration before it meets that one, and so holds it somewhere.
        # Whoever lost its disk has no vote to elect anyone with who lacks the entry.
        end, configuration = self.ledger.end, self.ledger.configuration
        able = [node for node in self._nodes.values() if node.votes_in(configuration)]
        lacking = sum(not node.disk.durable.holds(end, self.ledger.terms[end]) for node in able)
        if 2 * lacking > len(configuration.voters):
            raise Violation(QUORUM_DURABLE, self._holders(end))
        for node in self._nodes.values() if not self._engine.slots else ():
            fold = node.disk.durable
            if len(fold.entries) != fold.last - fold.base:
                raise Violation(LOG_MATCHING, f"{node} has a durable log with a gap: {fold.base} then {sorted(fold.entries)}")

    # --- the rules, one by one ---

    def _committed(self, node: "Node", core: Core, committed: list[Entry], leads: bool) -> None:
        ledger, first = self.ledger, False
        if committed[0].index != node.taken + 1 or committed[-1].index != node.taken + len(committed):
            raise Violation(COMMITTED_PREFIXES, f"{node} commits {[entry.index for entry in committed]} after {node.taken}")
        for entry in committed:
            new = ledger.commit(entry, str(node), node.term)
            if new and self._engine.slots and not self._quorum_holds(entry.index, [ledger.governing(entry.index)]):
                raise Violation(QUORUM_DURABLE, f"{node} commits {self._holders(entry.index)}")
            first = new or first
        node.taken = committed[-1].index
        if not first or self._engine.slots:
            return
        last = committed[-1]
        if self._engine.own_term and leads and last.term != node.term:
            raise Violation(OWN_TERM, f"{node} commits {last.index} of term {last.term}")
        # Within this turn a leader may have counted, then appended the next configuration.
        configurations = [core.configuration, node.written_configuration()] if leads else self._configurations(core.configuration)
        if not self._quorum_holds(last.index, configurations):
            raise Violation(QUORUM_DURABLE, f"{node} commits {self._holders(last.index)}")
        for other in self._nodes.values():
            if other.leads > node.term and other.core is not None and not other.written.holds(last.index, last.term):
                raise Violation(LEADER_COMPLETE, f"{other} leads term {other.leads} without {last.index} of term {last.term}")

    def _quorum_holds(self, index: int, configurations: list[Configuration]) -> bool:
        term = self.ledger.terms[index]
        for configuration in configurations:
            voters = [self._nodes[name] for name in configuration.voters if name in self._nodes]
            count = sum(node.disk.durable.holds(index, term) or not node.votes_in(configuration) for node in voters)
            if 2 * count > len(configuration.voters):
                return True
        return False

    def _configurations(self, own: Configuration) -> list[Configuration]:
        """All that may be in force: the last committed one, and those after it in the log of any node, running or not."""
        found = [self.ledger.configuration]
        for configuration in (
            own,
            *(node.core.configuration if node.core is not None else node.written_configuration() for node in self._nodes.values()),
        ):
            if configuration.index > self.ledger.configuration.index:
                found.append(configuration)
        return found

    def _holders(self, index: int) -> str:
        term = self.ledger.terms[index]
        held = [name for name, node in self._nodes.items() if node.disk.durable.holds(index, term)]
        return f"{index} of term {term}, durable on {held} only, voters {sorted(self.ledger.configuration.voters)}"

    def _truncates(self, node: "Node", effects: Effects, leading: bool) -> None:
        assert effects.truncate is not None
        index = effects.truncate + 1
        here = node.written.entries.get(index)
        if here is None:
            return
        if leading:
            raise Violation(LEADER_APPENDS, f"{node} truncates its log after {effects.truncate}")
        if index <= self.ledger.end and here.term == self.ledger.terms[index]:
            raise Violation(MATCHING_KEPT, f"{node} drops {index} of term {here.term}, which is committed")
        if effects.entries and effects.entries[0].index == index and effects.entries[0].term == here.term:
            raise Violation(MATCHING_KEPT, f"{node} drops {index} of term {here.term} only to write it again")

    def _promises(self, node: "Node", promise: Message) -> None:
        term, vote = self._view.promised(promise)
        before, voted = node.promised
        if term < before:
            raise Violation(TERM_GROWS, f"{node} writes term {term} after {before}")
        if term == before and voted is not None and vote != voted:
            raise Violation(ONE_VOTE, f"{node} writes a vote for {vote} in term {term} after one for {voted}")
        node.promised = (term, vote)

    def _voted(self, voter: str, term: int, candidate: NodeId | None) -> None:
        if candidate is not None and self._votes.setdefault((voter, term), candidate) != candidate:
            raise Violation(ONE_VOTE, f"{voter} votes in term {term} for {self._votes[voter, term]} and for {candidate}")

    def _identify(self, node: "Node", entries: list[Entry]) -> None:
        """Log matching by induction: (index, term) decides the entry and the term of the one before it."""
        identities, fold = self._identities, node.written
        before = entries[0].index - 1
        previous = fold.entries.get(before)
        term = previous.term if previous is not None else fold.snapshot.term if fold.snapshot is not None and before == fold.base else 0
        for entry in entries:
            known = identities.setdefault((entry.index, entry.term), (entry.origin, entry.kind, entry.data, term))
            if known != (entry.origin, entry.kind, entry.data, term):
                raise Violation(LOG_MATCHING, f"{node} writes {entry} after term {term}; elsewhere it is {known}")
            term = entry.term

    def _begins_to_lead(self, node: "Node", core: Core, term: int) -> None:
        who = (node.name, node.incarnation)
        if self._leaders.setdefault(term, who) != who:
            raise Violation(ONE_LEADER, f"{node} leads term {term}, which {self._leaders[term]} has led")
        self._voted(node.storage, term, node.name)
        node.leads, self._newest = term, max(self._newest, term)
        if self._engine.votes:
            voters = core.configuration.voters
            disks = {one.name: one.storage for one in core.configuration.members if one.voter}
            granted = sorted(voter for voter, disk in disks.items() if self._votes.get((disk, term)) == node.name)
            if 2 * len(granted) <= len(voters):
                raise Violation(ELECTED, f"{node} leads term {term} by the votes of {granted} among the voters {sorted(voters)}")
        end = self.ledger.end if not self._engine.slots else 0
        while end and self.ledger.decided_in[end] >= term:
            end -= 1
        if not node.written.holds(end, self.ledger.terms[end]):
            raise Violation(LEADER_COMPLETE, f"{node} leads term {term} without {self._holders(end)}")

    def _changes(self, node: "Node", entry: Entry, commit: int) -> None:
        """Ongaro's thesis 4.1, and the correction of 2015: the change before this is committed, and so is an entry of this term."""
        former = node.written_configuration(below=entry.index)
        if former.index > commit:
            raise Violation(ONE_CHANGE, f"{node} begins a change at {entry.index} while that of {former.index} is open, commit {commit}")
        if self._engine.own_term and commit <= self.ledger.end and self.ledger.terms[commit] != entry.term:
            raise Violation(ONE_CHANGE, f"{node} begins a change at {entry.index} before it has committed in term {entry.term}")
        now = Configuration.decode(entry.data, entry.index)
        if len(now.voters ^ former.voters) > 1:
            raise Violation(ONE_CHANGE, f"{node} goes from voters {sorted(former.voters)} to {sorted(now.voters)} in one step")

    def _compare_matches(self, node: "Node", core: Core, term: int) -> None:
        members = core.configuration
        # By number, not by name: what is known of a member says nothing of who comes back under its name, on another disk or its own.
        now = {member.number: match for name, match in self._view.matches(core).items() if (member := members.get(name)) is not None}
        known_term, known = self._matches.get(node.name, (0, {}))
        if known_term == term:
            for peer, match in now.items():
                if match < known.get(peer, 0):
                    raise Violation(MATCH_GROWS, f"{node} goes back from {known[peer]} to {match} for {peer}")
        self._matches[node.name] = (term, now)
