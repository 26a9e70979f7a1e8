"""Every safety rule of the engine, each one method on this one page.

The engine asks these and nobody else, so a test can switch off exactly one safeguard by overriding one method, and show
the invariant that breaks without it. Sources: Lamport, "Paxos Made Simple" (2001), by its conditions P1a, P2c and section 3; Lamport,
Malkhi & Zhou, "Reconfiguring a State Machine" (2010) for alpha; Ongaro's thesis for leases, reads and quorum checks.
"""

from collections.abc import Mapping, Sequence

from quorate.protocols.core import Configuration, Entry, Snapshot
from quorate.protocols.quorum import granted_count


class Rules:
    """The rules as the papers have them."""

    # Persistence

    def ballot_to_persist(self, ballot: int) -> int:
        """What was promised is durable before anything is answered in it (Made Simple, 2.5)."""
        return ballot

    def chosen_to_persist(self, commit: int) -> int:
        """That a configuration governs is durable too: whom it left out may be gone for good by the next start."""
        return commit

    def accepted_after_sync(self) -> bool:
        """A vote counts when it is durable, not when it was asked for (2.5)."""
        return True

    def own_vote_counts(self, *, durable: bool) -> bool:
        """So does the leader's own."""
        return durable

    def own_promise_counts(self, *, durable: bool) -> bool:
        """And its own promise: nothing is proposed in a ballot that its owner could forget, and prepare anew."""
        return durable

    # Phase 1

    def may_promise(self, ballot: int, promised: int) -> bool:
        """Nothing below what was promised (P1a)."""
        return ballot >= promised

    def can_report(self, first: int, base: int) -> bool:
        """Who has dropped slots that the preparing node lacks cannot report its votes there, so it promises nothing."""
        return first > base

    def reports_votes(self) -> bool:
        """A promise names every vote from the first slot asked about on (2.2, phase 1b)."""
        return True

    def count_promises(self, complete: Mapping[str, int], configuration: Configuration) -> int:
        """A promise is counted once per acceptor, only of an acceptor of the configuration that governs the slot."""
        return granted_count(complete, configuration.voters)

    def prepared(self, counted: int, needed: int) -> bool:
        """No proposal for a slot before a quorum of the configuration that governs it has promised."""
        return counted >= needed

    def prepares_each(self) -> bool:
        """That quorum is needed of each configuration that governs a slot, not only of the first ("Reconfiguring", 2010)."""
        return True

    def outvotes(self, vote: Entry, known: Entry) -> bool:
        """Of what a quorum reported for a slot, the value of the highest ballot is proposed (P2c)."""
        return vote.term > known.term

    def proposes_reported(self) -> bool:
        """What was reported is proposed again before anything else (P2c; section 3)."""
        return True

    def is_oneself(self, number: int, own: int) -> bool:
        """A node that lost its disk comes back under its name, and is none of the acceptors that this name stood for before."""
        return number == own

    # Phase 2

    def may_accept(self, ballot: int, promised: int) -> bool:
        """No vote below what was promised (P1a)."""
        return ballot >= promised

    def is_stale(self, ballot: int, promised: int) -> bool:
        """A vote in another ballot is none for ours: a value is chosen when a quorum voted for it in *one* ballot (2.2)."""
        return ballot != promised

    def is_chosen(self, acks: int, voters: int, needed: int) -> bool:
        """A quorum of the configuration that governs the slot, each acceptor once."""
        return (acks & voters).bit_count() >= needed

    def commit_to_believe(self, commit: int, upto: int) -> int:
        """A learner takes for chosen only what it voted for in the ballot that says so: older votes may be for other values."""
        return min(commit, upto)

    # The window

    def governing(self, configurations: Sequence[Configuration], slot: int, alpha: int) -> Configuration:
        """A configuration chosen in slot i governs from slot i + alpha on (Made Simple, 3, its last paragraph)."""
        for configuration in reversed(configurations):
            if configuration.index + alpha <= slot:
                return configuration
        return configurations[0]

    def may_open(self, slot: int, commit: int, alpha: int) -> bool:
        """At most alpha slots are open, so that whoever opens one knows which configuration governs it."""
        return slot <= commit + alpha

    # Changes

    def change_is_alone(self, latest: Configuration, governed: int) -> bool:
        """One change at a time: the one before governs already, so that quorums of neighbours overlap and leases hold."""
        return latest.index <= governed

    def took_effect(self, knowing: int, needed: int) -> bool:
        """A change is done when a quorum of the new configuration can do without the old one, even after a crash."""
        return knowing >= needed

    # The leader's claim

    def asks_before_preparing(self) -> bool:
        """No new ballot before a majority would promise it (thesis 9.6)."""
        return True

    def sticks_to_leader(self, ticks_since_heard: int, election_ticks: int) -> bool:
        """Who hears a leader helps nobody to depose it (thesis 4.2.3)."""
        return ticks_since_heard < election_ticks

    def keeps_promise(self, now: int, promised_until: int) -> bool:
        """No promise to others while the lease that this node's last answer to a leader may have carried can be relied on (6.4.1)."""
        return now < promised_until

    def promised_at_start(self, restarted: bool, promise_ticks: int) -> int:
        """A restarted acceptor does not remember whose lease it supports: it promises nobody for one such period."""
        return promise_ticks if restarted else 0

    def leaves_without_quorum(self, ticks_since_quorum: int, election_ticks: int) -> bool:
        """A leader that no quorum answered for an election timeout steps down (thesis 6.2)."""
        return ticks_since_quorum >= election_ticks

    # Reads

    def may_read(self, commit: int, first_index: int) -> bool:
        """A leader knows what was chosen before its ballot only once all that it took over is chosen in it."""
        return commit >= first_index

    def read_round(self, last_round: int) -> int:
        """A read is confirmed by a heartbeat round sent after it arrived, never by one under way (thesis 6.4)."""
        return last_round + 1

    def lease_holds(self, now: int, lease_from: int, lease_ticks: int) -> bool:
        """A lease is relied on for its bounded time only (6.4.1)."""
        return now - lease_from < lease_ticks

    def lease_start(self, sent_at: int, now: int) -> int:
        """It counts from the tick at which the confirming heartbeat was sent, not from its answer's."""
        return sent_at

    def drops_lease_before_hand_over(self) -> bool:
        """TakeOver starts a ballot that no promise to a lease delays, whenever it arrives: no lease from then on in this ballot."""
        return True

    # Snapshots

    def may_install(self, snapshot_index: int, commit: int) -> bool:
        """A snapshot older than what is chosen here is refused, never adopted."""
        return snapshot_index > commit

    def may_compact(self, snapshot: Snapshot, alpha: int) -> bool:
        """A snapshot carries one configuration: it must govern every slot after it, not only those alpha further on."""
        configuration = snapshot.configuration
        return not configuration.index or configuration.index + alpha <= snapshot.index + 1
