"""Fault transactions: all of it at once or nothing, for a time that the proxy itself keeps.

The rules:
- A transaction changes all its links in one turn of the loop, after everything about it was found right.
- Several may live at once. On a link that more than one names the newest rules alone; when it ends, the one below rules again.
- To put an id that lives replaces that transaction, in one step, and makes it the newest.
- A transaction ends by heal or by its time to live, whichever is first. To heal one that has ended changes nothing and says how it
  ended; to heal one that never was is an error.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from quorate.cluster.faults.fault import Fault, no_fault
from quorate.cluster.faults.network import CLIENT, ProxyNetwork
from quorate.cluster.faults.payloads import FaultPayload, TransactionPayload
from quorate.cluster.faults.selectors import FindLeader, Selection
from quorate.cluster.faults.timing import NS_PER_S, Cancellable
from quorate.cluster.wire.errors import BadRequest, Overloaded
from quorate.protocols.simulation.shapes import Pair, Step

TRANSACTIONS_MAX = 256
ENDED_KEPT = 1_000
"""Ids of ended transactions that are still known by how they ended."""
STEPS_MAX = 20_000


class UnknownTransaction(BadRequest):
    """No transaction of that id lives or is known to have ended."""


@dataclass(slots=True, eq=False)
class Transaction:
    id: str
    seed: int
    faults: dict[Pair, Fault]
    began_ns: int
    until_ns: int
    resting: set[Pair] = field(default_factory=set)
    """Links of a moving shape that are whole at the moment."""
    timers: list[Cancellable] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"<Transaction {self.id} seed={self.seed} links={len(self.faults)} resting={len(self.resting)}>"


class Transactions:
    def __init__(self, network: ProxyNetwork, find_leader: FindLeader) -> None:
        self._network = network
        self._find_leader = find_leader
        self.living: dict[str, Transaction] = {}
        """Oldest first."""
        self._ended: OrderedDict[str, str] = OrderedDict()
        self._ruling: dict[Pair, Transaction] = {}
        self._changed = asyncio.Event()

    async def put(self, payload: TransactionPayload) -> tuple[Transaction, dict[str, list[str]]]:
        """Begin it. Also: which links it took over, by the transaction that ruled them. BadRequest, Unavailable: nothing was changed."""
        network = self._network
        selection = await Selection.of(payload.faults, tuple(network.nodes), tuple(network.links), payload.seed, self._find_leader)
        faults, steps = self._planned(payload.faults, selection)
        # No await from here on: nobody sees the half of it.
        if payload.id not in self.living and len(self.living) >= TRANSACTIONS_MAX:
            raise Overloaded(f"{TRANSACTIONS_MAX} fault transactions live already; heal some")
        now_ns = network.timing.now_ns()
        made = Transaction(payload.id, payload.seed, faults, now_ns, now_ns + round(payload.ttl_s * NS_PER_S))
        taken: dict[str, list[str]] = {}
        for pair in faults:
            if (ruling := self._ruling.get(pair)) is not None and ruling.id != made.id:
                taken.setdefault(ruling.id, []).append(network.links[pair].name)
        before = self._remove(payload.id)
        self.living[made.id] = made
        made.resting = {pair for step in steps for pair in step.pairs}
        self._begin(made, steps)
        links: list[str] = [network.links[pair].name for pair in faults]
        network.events.tell("faults", id=made.id, seed=made.seed, ttl_s=payload.ttl_s, links=[*links])
        self._apply({*faults, *before})
        await network.adjust()
        return made, taken

    def _planned(self, payloads: Sequence[FaultPayload], selection: Selection) -> tuple[dict[Pair, Fault], list[Step]]:
        network = self._network
        faults: dict[Pair, Fault] = {}
        all_steps: list[Step] = []
        for payload in payloads:
            if payload.shape is not None:
                pairs, steps = selection.shape(payload.shape)
                all_steps += steps
            else:
                pairs = selection.all_links(payload.links or ())
            if not pairs:
                raise BadRequest("this shape takes no link of a cluster of this size; a ring, for instance, needs four nodes")
            for pair in pairs:
                link = network.link(pair)
                if pair in faults:
                    raise BadRequest(f"{link.name} is named twice in this transaction; say all of it in one fault")
                payload.check_link(link.name, link.mode, is_of_peers=CLIENT not in pair)
                fault = payload.fault(link.mode)
                faults[pair] = replace(fault, rule=replace(fault.rule, cut=True)) if payload.shape is not None and fault.is_none else fault
        if len(all_steps) > STEPS_MAX:
            raise BadRequest(f"a transaction has at most {STEPS_MAX} steps, not {len(all_steps)}; take a lower count")
        return faults, all_steps

    def _begin(self, made: Transaction, steps: Sequence[Step]) -> None:
        timing = self._network.timing
        made.timers.append(timing.call_at(made.until_ns, lambda: self._expire(made)))
        for step in steps:
            if step.after_ns == 0:
                self._step(made, step, apply=False)
            elif made.began_ns + step.after_ns < made.until_ns:
                made.timers.append(timing.call_at(made.began_ns + step.after_ns, lambda step=step: self._step(made, step)))  # type: ignore[misc]

    def _step(self, made: Transaction, step: Step, *, apply: bool = True) -> None:
        if step.cut:
            made.resting.difference_update(step.pairs)
        else:
            made.resting.update(step.pairs)
        if apply:
            links = [self._network.links[pair].name for pair in step.pairs]
            self._network.events.tell("step", id=made.id, cut=step.cut, links=[*links])
            self._apply(step.pairs)
            self._changed.set()

    def _expire(self, made: Transaction) -> None:
        if self.living.get(made.id) is made:
            self._end(made.id, "expired")
            self._changed.set()

    async def heal(self, id: str | None = None) -> dict[str, str]:
        """How each of the named (or all living) has ended: "healed", or what it was already."""
        if id is not None and id not in self.living:
            if id not in self._ended:
                living = ", ".join(self.living) or "none"
                raise UnknownTransaction(f"no fault transaction {id!r}; living: {living}")
            return {id: self._ended[id]}
        chosen = [id] if id is not None else list(self.living)
        for one in chosen:
            self._end(one, "healed")
        await self._network.adjust()
        return dict.fromkeys(chosen, "healed")

    def _end(self, id: str, how: str) -> None:
        pairs = self._remove(id)
        self._ended[id] = how
        self._ended.move_to_end(id)
        while len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)
        self._network.events.tell(how, id=id)
        self._apply(pairs)

    def _remove(self, id: str) -> list[Pair]:
        """Its links."""
        gone = self.living.pop(id, None)
        if gone is None:
            return []
        for timer in gone.timers:
            timer.cancel()
        return list(gone.faults)

    def _apply(self, pairs: Sequence[Pair] | set[Pair]) -> None:
        """Set each link to what rules it now; one whose ruler has not changed is left as it is, with its count of frames."""
        network = self._network
        for pair in sorted(pairs):
            newest = None
            for transaction in self.living.values():
                if pair in transaction.faults and pair not in transaction.resting:
                    newest = transaction
            if newest is self._ruling.get(pair):
                continue
            link = network.links[pair]
            if newest is None:
                del self._ruling[pair]
                link.set(no_fault(link.mode), network.seed, "")
            else:
                self._ruling[pair] = newest
                link.set(newest.faults[pair], newest.seed, newest.id)

    async def keep_ports(self) -> None:
        """Open and close ports as faults end by themselves. Runs as long as the proxy."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._network.adjust()
