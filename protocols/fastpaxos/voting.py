"""Acceptor and learner of fast rounds: give arriving values the next free slot, tell all members, learn what a fast quorum voted for.

Fast Paxos, 2.2 (phase 2b of a fast round) and 2.3 (uncoordinated recovery).
"""

from collections.abc import Iterable, Mapping

from quorate.protocols.core import FAST, NO_ORIGIN, Entry, Kind, NodeId, born, original
from quorate.protocols.fastpaxos.messages import Any, Close, Closed, Values, Voted
from quorate.protocols.fastpaxos.picking import pick
from quorate.protocols.fastpaxos.stage import Stage
from quorate.protocols.fastpaxos.state import FastState
from quorate.protocols.fastpaxos.votes import Value, Vote, fast_vote, stage_of
from quorate.protocols.log import pack, packed_size, unpack
from quorate.protocols.multipaxos.acceptor import Acceptor
from quorate.protocols.multipaxos.roles import Follower, Leader
from quorate.protocols.multipaxos.slots import proposed_in

# Votes are told as runs of slots; a longer gap between two begins another message.
GAP_MAX = 64
# Votes of so many windows below the commit index are kept: followers whose acknowledgements lag are known by them to hold what is chosen.
WINDOWS_KEPT = 2


class FastVoting:
    """What one node knows of the fast round of its ballot."""

    def __init__(self, state: FastState, acceptor: Acceptor) -> None:
        self.state = state
        self.acceptor = acceptor
        self._stage: Stage | None = None
        self.fresh: list[tuple[int, int, int]] = []
        """Votes of this turn: (stage, slot, origin)."""
        self.noted = state.commit
        """Up to here what is chosen was noted."""
        self.chosen: list[int] = []
        """Origins noted since the proposer last looked."""
        self._pruned = state.commit
        cast = [(entry.term, stage_of(entry) & ~1, entry.index) for entry in state.log.entries.values() if entry.kind & FAST]
        self._kept = max((one for one in cast if one[0] == state.ballot), default=(0, 0, 0))
        """What our acceptor voted for last in an earlier life: (ballot, stage, highest slot)."""
        self._told_at = 0

    @property
    def stage(self) -> Stage | None:
        """The latest fast round of our ballot, ended or not."""
        stage = self._stage
        return stage if stage is not None and stage.ballot == self.state.ballot else None

    @property
    def tail(self) -> tuple[int, int]:
        """(stage, slot): the fast round in which our acceptor voted last, and the highest slot."""
        stage = self.stage
        if stage is None or stage.number == self._kept[1]:
            return self._kept[1:] if self._kept[0] == self.state.ballot else (0, 0)
        return stage.number, max(stage.slots.values(), default=0)

    # Acceptor

    def hear(self, message: Any | Values) -> Stage | None:
        """The coordinator, or a proposer that heard it, names a fast round of our ballot. Which one is current now."""
        state, stage = self.state, self.stage
        if message.ballot != state.ballot or (stage is not None and message.stage <= stage.number):
            return stage
        stage = self._stage = Stage(message.ballot, message.stage, message.first, message.through, following=message.first)
        self.note_chosen()
        if stage.is_fast and state.fast_rules.may_enter(stage.number, state.stage) and state.decides(state.present):
            # What was chosen in its slots before we heard of it must be known: a late value may be among it.
            known = [state.log.get(slot) for slot in range(stage.first, state.commit + 1)]
            stage.votes_here = all(entry is not None for entry in known)
            stage.chosen.update(entry.origin for entry in known if entry is not None)
        state.set_stage(stage.number)
        return stage

    def vote(self, values: Iterable[Entry]) -> None:
        """Vote for values in order of arrival. What finds no room is left to its proposer, which sends it again."""
        state, stage = self.state, self.stage
        if stage is None or not stage.votes_here:
            return
        self.note_chosen()
        rules = state.fast_rules
        for value in values:
            origin = value.origin
            if rules.is_voted_for(voted=origin in stage.slots or origin in stage.chosen):
                continue
            slot = max(rules.next_slot(stage.following, state.commit), state.commit + 1)
            while proposed_in(state.log.get(slot), stage.ballot):
                slot += 1  # voted for in the classic round, which is the higher one
            if slot > min(stage.through, state.commit + state.figures.fast_window):
                break
            state.log.vote(fast_vote(slot, stage.ballot, stage.number, origin, value.data))
            stage.slots[origin] = slot
            stage.data[origin] = value.data
            stage.following = slot + 1
            self.fresh.append((stage.number, slot, origin))

    def accepted(self, slot: int) -> None:
        """We voted for what the coordinator proposed up to this slot: the next value goes above it."""
        stage = self.stage
        if stage is not None:
            stage.following = max(stage.following, slot + 1)

    def close(self, message: Close) -> bool:
        """Vote in that fast round no more. Whether it is one of our ballot."""
        state, stage = self.state, self.stage
        if message.ballot != state.ballot:
            return False
        # The recovering round is closed with it.
        state.set_stage(message.stage + 1)
        if stage is not None and stage.number <= message.stage:
            stage.votes_here = False
        return True

    def cast(self, stage: int, slot: int) -> Entry | None:
        """Our vote in that slot, if it was given in that round or the recovering one after it, or is for what was chosen."""
        entry = self.state.log.get(slot)
        return entry if entry is not None and entry.term == self.state.ballot and stage_of(entry) >= stage else None

    def on_close(self, sender: NodeId, message: Close) -> None:
        """Report our votes in that round, in parts if they are many, when it is durable that we give no more."""
        state, log = self.state, self.state.log
        if not self.close(message) or not state.rules.can_report(message.first, log.base):
            return
        votes: list[Entry] = []
        size, through, last = 0, message.first - 1, max(log.last, message.first - 1)
        for slot in range(message.first, last + 1):
            entry = self.cast(message.stage, slot)
            if entry is not None:
                size += packed_size(entry)
                if votes and size > state.options.accept_bytes_max:
                    break
                votes.append(entry)
            through = slot
        state.send_after_sync(sender, Closed(message.ballot, message.stage, message.first, through, last, pack(votes)))

    # Telling votes

    def flush(self) -> None:
        """Once a turn: tell all members what was voted for, when it is durable."""
        if not self.fresh:
            return
        runs: list[tuple[int, int, list[int]]] = []
        for stage, slot, origin in sorted(self.fresh):
            if runs and runs[-1][0] == stage and slot - (runs[-1][1] + len(runs[-1][2])) <= GAP_MAX:
                _, first, origins = runs[-1]
                # Left out in the first round for good; the recovering one says nothing of slots that it leaves out.
                origins.extend([NO_ORIGIN] * (slot - first - len(origins)))
                origins.append(origin)
            else:
                runs.append((stage, slot, [origin]))
        self.fresh.clear()
        after_sync = self.state.fast_rules.voted_after_sync()
        for number, first, origins in runs:
            self._tell(Voted(self.state.ballot, number, first, tuple(origins)), after_sync=after_sync)

    def _tell(self, message: Voted, *, after_sync: bool) -> None:
        state = self.state
        for name in state.configuration.names:
            if name == state.node:
                continue
            if after_sync:
                state.send_after_sync(name, message)
            else:
                state.send(name, message)

    def tell_again(self) -> None:
        """Votes in slots that are not chosen as far as we know: whoever would know may have lost our message."""
        state, stage = self.state, self.stage
        if stage is None or state.timer < self._told_at + state.options.heartbeat_ticks:
            return
        self._told_at = state.timer
        for number, table in ((stage.number, stage.votes), (stage.number + 1, stage.again)):
            known = table.get(state.node, {})
            slots = [slot for slot in sorted(known) if slot > state.commit]
            if slots:
                origins = tuple(known.get(slot, NO_ORIGIN) for slot in range(slots[0], slots[-1] + 1))
                self._tell(Voted(stage.ballot, number, slots[0], origins), after_sync=False)

    def own_votes(self, durable: list[Entry]) -> None:
        """These fast votes of ours are on the disk now."""
        stage, state = self.stage, self.state
        if stage is None:
            return
        for entry in durable:
            number = stage_of(entry)
            if entry.term == stage.ballot and number in (stage.number, stage.number + 1):
                stage.record(state.node, number, entry.index, [entry.origin], 0)

    def on_voted(self, sender: NodeId, message: Voted) -> None:
        stage = self.stage
        if stage is not None and message.ballot == stage.ballot and message.stage in (stage.number, stage.number + 1):
            stage.record(sender, message.stage, message.first, message.origins, self.state.commit)

    # Learner

    def chosen_at(self, slot: int) -> int:
        """The origin that a fast quorum has voted for in that slot; NO_ORIGIN if there is none, or none is known."""
        stage = self.stage
        found = None if stage is None else stage.chosen_at(slot, self.state.governing(slot).voters, self.state.fast_rules)
        return NO_ORIGIN if found is None else found[0]

    def value(self, slot: int, origin: int) -> Entry | None:
        """That value as a proposal of our ballot for the slot, or as our own fast vote there; None if its data is not here."""
        stage, entry = self.stage, self.state.log.get(slot)
        assert stage is not None, self.state
        if entry is not None and (born(entry), entry.origin) == (stage.ballot, origin):
            return entry
        data = stage.data.get(origin)
        return None if data is None else Entry(slot, stage.ballot, origin, Kind.COMMAND, data)

    def learn(self) -> None:
        """Who does not lead learns by itself what is chosen next; a leader does by its own count."""
        state, log = self.state, self.state.log
        if isinstance(state.role, Leader) or self.stage is None:
            return
        before = state.commit
        while origin := self.chosen_at(state.commit + 1):
            slot = state.commit + 1
            value = self.value(slot, origin)
            if value is None:
                break
            if log.get(slot) is not value:
                self.acceptor.blobs.clear()
                # It is chosen, so it is what our ballot's owner would propose there.
                log.vote(value)
            state.choose(slot)
        if state.commit > before and isinstance(state.role, Follower):
            self.acceptor.advance(state.role)

    def note_chosen(self) -> None:
        """Remember the origins of what was chosen since, and forget what nobody asks for any more."""
        state, stage = self.state, self.stage
        if state.commit == self.noted:
            return
        for slot in range(max(self.noted, state.log.base) + 1, state.commit + 1):
            entry = state.log.get(slot)
            assert entry is not None, (state, slot)
            origin = entry.origin
            if origin:
                self.chosen.append(origin)
                if stage is not None:
                    stage.data.pop(origin, None)
                    if slot >= stage.first:
                        stage.chosen.add(origin)
        self.noted = state.commit
        if stage is not None and state.commit - self._pruned > state.figures.fast_window:
            stage.prune(state.commit - WINDOWS_KEPT * state.figures.fast_window)
            self._pruned = state.commit

    def pass_over(self) -> None:
        """A snapshot stands for slots whose origins nobody can tell: in this fast round we vote no more."""
        if self._stage is not None:
            self._stage.votes_here = False
        self.noted = self.state.commit

    # Recovery

    def heard(self, low: int) -> tuple[range, dict[NodeId, Mapping[int, Vote]]]:
        """The slots from `low` on of which a classic quorum has told all its votes, and these votes. A vote in a fast round promises
        to give no other in it: so it is a phase 1b message for what follows it (2.2)."""
        stage, state = self.stage, self.state
        assert stage is not None, state
        voters = state.governing(low).voters
        end, quorum = stage.heard_all(low, voters, state.fast_rules.recovery_quorum(len(voters)))
        slots = range(low, end + 1)
        round_ = (stage.ballot, stage.number)
        told: dict[NodeId, Mapping[int, Vote]] = {
            name: {slot: Vote(round_, (stage.ballot, origin)) for slot in slots if (origin := stage.votes[name][slot])} for name in quorum
        }
        return slots, told if slots else {}

    def pick(self, slots: range, told: Mapping[NodeId, Mapping[int, Vote]]) -> dict[int, Value]:
        """What may be proposed for these slots, by what a quorum has told."""
        state = self.state
        return pick(slots, told, len(state.governing(slots[0]).voters), self.origins_below(slots[0]), state.fast_rules)

    def origins_below(self, slot: int) -> set[int]:
        """Origins that have a slot below that one: chosen, or proposed in our ballot."""
        log = self.state.log
        low = max(log.base, slot - 1 - 2 * self.state.options.alpha)
        return {entry.origin for at in range(low + 1, slot) if (entry := log.get(at)) is not None and entry.origin}

    def recover(self) -> None:
        """Uncoordinated recovery: where votes have collided, vote in the recovering round for what a quorum's votes allow."""
        state, stage = self.state, self.stage
        if stage is None or not stage.votes_here or not state.figures.uncoordinated:
            return
        low = state.commit + 1
        voters = state.governing(low).voters
        if low in stage.recovered_slots or not stage.has_collided(low, voters, state.fast_rules):
            return
        slots, told = self.heard(low)
        if not slots:
            return
        for slot, (_, origin) in self.pick(slots, told).items():
            value = self.value(slot, origin)
            classic = proposed_in(state.log.get(slot), stage.ballot)
            fresh = not classic and slot not in stage.recovered_slots and origin not in stage.recovered
            if value is not None and fresh and stage.has_collided(slot, voters, state.fast_rules):
                state.note("recovers", slot=slot)
                state.log.vote(fast_vote(slot, stage.ballot, stage.number + 1, origin, original(value).data))
                stage.recovered.add(origin)
                stage.recovered_slots.add(slot)
                self.fresh.append((stage.number + 1, slot, origin))


def values_of(message: Values) -> list[Entry]:
    """ValueError if it is malformed."""
    values = unpack(message.values)
    if any(value.kind != Kind.COMMAND or value.origin == NO_ORIGIN for value in values):
        raise ValueError("a value without an origin")
    return values
