"""Fast leader election: votes for the most recent history, told again whenever a better one is heard, until a quorum agrees.

Rules kept here: votes compare by (current epoch, zxid, number) and count within one round; who finds a leader at work joins it when
that leader says so itself and a quorum, with this node, follows it. Two rules are ours, for links that are cut one way or not between
all: a node votes only for one that votes for itself, that it hears and that hears it; and it gives up, for a while, one that a quorum
does not vote for in a whole timeout, or the best history at the end of a lone link would keep a healthy quorum from electing.
None of it is needed for safety, which discovery keeps: a wrong election costs time. ZooKeeper's FastLeaderElection.
"""

from quorate.protocols.core import COUNTER_BITS, COUNTER_MAX, NodeId
from quorate.protocols.zab.messages import FOLLOWING, LEADING, LOOKING, Notification
from quorate.protocols.zab.roles import Ballot, Follower, Leader, Looking
from quorate.protocols.zab.state import State

# A node that is in no configuration of ours may dial us, and another after it: what is remembered of them is bounded.
CONTACTS_MAX = 512

# How long a candidate that could not be elected is given up: longer than anybody is patient with it, so that the times overlap.
GIVEN_UP_TIMEOUTS = 3


class Elections:
    """What one node knows of the others before any of them leads."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.stamps: dict[NodeId, int] = {}
        """The latest stamp of each peer: what we echo."""
        self.stamped_at: dict[NodeId, int] = {}
        """Timer tick at which that was heard."""
        self.disks: dict[NodeId, str] = {}
        """On which disk it was, of members."""
        self.heard_us: dict[NodeId, int] = {}
        """Timer tick of the latest stamp of ours that each peer has echoed."""
        self.shown: dict[NodeId, int] = {}
        """Timer tick at which a peer that did not hear us was answered last."""
        self.hopeless: dict[NodeId, int] = {}
        """Candidates given up, until this timer tick."""
        self.absent: dict[NodeId, int] = {}
        """Those whom we followed in vain: they never said a word as leaders. Until this timer tick."""

    # Who could be elected

    def own_ballot(self) -> Ballot:
        """A vote for ourselves; for nobody if we are no voter."""
        state = self.state
        latest = state.configuration
        member = latest.get(state.node)
        if (member is None or not member.voter) and latest.index > state.commit:
            # A voter that its latest configuration leaves out may be the only one to hold it: until that commits, it must be
            # able to lead, not counting itself. Changes are alone, so the one before the latest is committed.
            member = state.configurations[-2].get(state.node) if len(state.configurations) > 1 else None
        if member is None or not member.voter:
            return Ballot()
        return Ballot(state.current, *state.zxid, member.number, state.node)

    def hears_us(self, peer: NodeId) -> bool:
        """Whether the way to `peer` and back was open lately."""
        state = self.state
        at = self.heard_us.get(peer)
        return state.rules.is_two_way(None if at is None else state.timer - at, state.options.election_ticks)

    def incarnation_of(self, peer: NodeId) -> int:
        """Of the life in which the peer spoke to us last; 0 if it never did."""
        return self.stamps.get(peer, 0) >> COUNTER_BITS

    def _rank(self, ballot: Ballot) -> tuple[bool, tuple[int, int, int], int]:
        order = self.state.rules.history_order(ballot.epoch, ballot.last_term, ballot.last_index)
        return bool(ballot.number), order, ballot.number

    # Notifications

    def begin(self, me: Looking) -> None:
        """A new round: vote for ourselves, and tell."""
        self.state.election_round += 1
        self._restart(me)
        self.notify_all(me)

    def _restart(self, me: Looking) -> None:
        me.votes.clear()
        me.ballot = me.votes[self.state.node] = self.own_ballot()
        me.decide_at = None

    def notify_all(self, me: Looking) -> None:
        """Now, and again soon."""
        state = self.state
        me.interval = state.options.notify_ticks_min
        me.notify_at = state.timer + me.interval
        self._broadcast(me)

    def _broadcast(self, me: Looking) -> None:
        """To all voters, and to all who look: the one we vote for may be a voter by a configuration that we have not seen."""
        state = self.state
        for name in sorted((state.configuration.voters | me.votes.keys()) - {state.node}):
            self.notify(name)

    def notify(self, peer: NodeId) -> None:
        """Tell one node whom we vote for, or follow."""
        state, role = self.state, self.state.role
        match role:
            case Looking(ballot=ballot):
                kind = LOOKING
            case Leader():
                kind, ballot = LEADING, Ballot(state.current, *state.zxid, 0, state.node)
            case Follower(leader=leader):
                kind, ballot = FOLLOWING, Ballot(state.current, *state.zxid, 0, leader)
        stamp = (state.incarnation << COUNTER_BITS) | state.timer
        last_term, last_index = ballot.last_term, ballot.last_index
        known = state.configurations[-1].index
        message = Notification(
            kind,
            state.election_round,
            ballot.leader,
            ballot.epoch,
            last_term,
            last_index,
            ballot.number,
            known,
            stamp,
            self.stamps.get(peer, 0),
        )
        state.send(peer, message)

    def on_notification(self, sender: NodeId, message: Notification) -> None:
        state = self.state
        heard = self._meet(sender, message)
        role = state.role
        if isinstance(role, Looking):
            if message.state == LOOKING:
                self._on_vote(role, sender, message, heard=heard)
            else:
                role.settled[sender] = message
                voted = role.votes.get(sender)
                if voted is not None and (message.round != state.election_round or message.leader != voted.leader):
                    del role.votes[sender]  # else it has only decided before us, and its vote still counts
                if not heard:
                    self._show_ourselves(sender)
        elif message.state == LOOKING and state.configuration.get(sender) is not None:
            self.notify(sender)

    def _meet(self, sender: NodeId, message: Notification) -> bool:
        """Remember when we were heard. Whether the sender shows that it hears us."""
        state = self.state
        if sender not in self.stamps and len(self.stamps) >= CONTACTS_MAX:
            return False
        self._forget_another_disk(sender)
        self._note_stamp(sender, message.stamp)
        if message.echo >> COUNTER_BITS == state.incarnation:
            self.heard_us[sender] = max(message.echo & COUNTER_MAX, self.heard_us.get(sender, 0))
        return self.hears_us(sender)

    def _note_stamp(self, peer: NodeId, stamp: int) -> None:
        """The latest, for old ones come late; but an earlier one if nothing later was heard for a whole timeout: a disk that no
        configuration of ours names yet counts its lives from 1 too."""
        state, known = self.state, self.stamps.get(peer, 0)
        if stamp > known or state.timer - self.stamped_at.get(peer, 0) > state.options.election_ticks:
            if stamp >> COUNTER_BITS < known >> COUNTER_BITS:
                state.last_links.pop(peer, None)
            self.stamps[peer] = stamp
            self.stamped_at[peer] = state.timer

    def _forget_another_disk(self, peer: NodeId) -> None:
        """A new disk counts its lives from 1 again: how far the lost one came in stamps and links says nothing of it."""
        state = self.state
        member = state.configuration.get(peer)
        # Of one whose disk we did not know, we may have heard before it was a member, on a disk that is lost since.
        if member is not None and member.storage and self.disks.get(peer) != member.storage:
            self.disks[peer] = member.storage
            if self.stamps.pop(peer, 0):
                state.last_links.pop(peer, None)

    def _on_vote(self, me: Looking, sender: NodeId, message: Notification, *, heard: bool) -> None:
        state = self.state
        if state.rules.is_old_round(message.round, state.election_round):
            self.notify(sender)
            return
        newer = message.round > state.election_round
        if newer:
            state.election_round = message.round
            self._restart(me)
        me.settled.pop(sender, None)
        if sender not in self.stamps:
            return  # one too many to remember
        me.votes[sender] = Ballot(message.epoch, message.last_term, message.last_index, message.number, message.leader)
        if self._choose(me) or newer:
            self.notify_all(me)
        elif not heard:
            self._show_ourselves(sender)

    def _show_ourselves(self, peer: NodeId) -> None:
        """So that it hears us, and shows that it does; once a tick, for if it never does it answers every time."""
        if self.shown.get(peer) != self.state.timer:
            self.shown[peer] = self.state.timer
            self.notify(peer)

    def _choose(self, me: Looking) -> bool:
        """Vote for the best of those voted for that could be followed. Whether that is another than before."""
        state = self.state
        best = self.own_ballot()
        for name, ballot in me.votes.items():
            if name == ballot.leader != state.node and self._may_lead(me, ballot) and self._rank(ballot) > self._rank(best):
                best = ballot
        me.votes[state.node] = best
        changed, me.ballot = best != me.ballot, best
        if changed:
            me.decide_at = None
            me.patient_until = state.timer + state.options.election_ticks + state.rng.randrange(state.options.election_ticks)
        return changed

    def _may_lead(self, me: Looking, ballot: Ballot) -> bool:
        """Whether a vote for this candidate could be of use. One that holds less than we do would fail in discovery."""
        state, leader, order = self.state, ballot.leader, self.state.rules.history_order
        held = order(state.current, *state.zxid)
        if order(ballot.epoch, ballot.last_term, ballot.last_index) < held or not self.hears_us(leader):
            return False
        if self.absent.get(leader, 0) > state.timer:
            return False
        if self.hopeless.get(leader, 0) <= state.timer:
            return True
        others = {name for name, vote in me.votes.items() if vote == ballot}
        return state.rules.quorum_of(others | {state.node}, state.configuration)

    def was_absent(self, leader: NodeId) -> None:
        """It was elected in our eyes, and not in its own."""
        self.absent[leader] = self.state.timer + GIVEN_UP_TIMEOUTS * self.state.options.election_ticks

    def tick(self, me: Looking) -> None:
        """Say it again, ever more seldom: notifications may be lost, and a candidate that was heard may be dead."""
        state = self.state
        if me.ballot.leader not in ("", state.node) and state.timer >= me.patient_until:
            self.hopeless[me.ballot.leader] = state.timer + GIVEN_UP_TIMEOUTS * state.options.election_ticks
        if self._choose(me):
            self.notify_all(me)
        elif state.timer >= me.notify_at:
            me.interval = min(2 * me.interval, state.options.notify_ticks_max)
            me.notify_at = state.timer + me.interval
            self._broadcast(me)

    # Decisions

    def decide(self, me: Looking) -> NodeId | None:
        """Whom to follow, perhaps ourselves; None while that is open."""
        for name, message in me.settled.items():
            if message.state == LEADING and self._may_join(me, name, message):
                return name
        state, rules = self.state, self.state.rules
        voters = state.configuration.voters
        if not me.ballot.number:
            return None
        agreed = [name for name in voters if me.votes.get(name) == me.ballot]
        if state.node in agreed and not state.configuration.has_voter(state.node, state.options.storage):
            agreed.remove(state.node)
        if not rules.quorum_of(agreed, state.configuration):
            me.decide_at = None
        elif len(agreed) == len(voters):
            return me.ballot.leader
        elif me.decide_at is None:
            me.decide_at = state.timer + state.options.settle_ticks
        elif state.timer >= me.decide_at:
            return me.ballot.leader
        return None

    def _may_join(self, me: Looking, leader: NodeId, message: Notification) -> bool:
        """The leader itself says that it leads, and a quorum, with us, follows it. A node whose configuration is not the leader's
        cannot tell a quorum: there the leader's word must do. One that was never committed may have given its index to the leader's."""
        state, configuration = self.state, self.state.configuration
        if not self.hears_us(leader):
            return False
        if message.configuration != configuration.index or configuration.index > state.commit:
            return True
        followers = {name for name, other in me.settled.items() if other.leader == leader}
        followers |= {name for name, ballot in me.votes.items() if ballot.leader == leader}
        return state.rules.quorum_of(followers | {state.node}, configuration)
