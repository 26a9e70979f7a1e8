"""The client of a cluster: keys, transactions, leases and watches, over whichever node leads.

The rule: every method either returns what happened, or raises a QuorateError that says with `definite` whether it may have
happened. Keys and values are bytes; text is sent as UTF-8. Timeouts are in seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from random import Random
from types import TracebackType

from quorate.cluster.client.administration import Administration
from quorate.cluster.client.background import Background
from quorate.cluster.client.calls import Calls
from quorate.cluster.client.endpoints import parse
from quorate.cluster.client.leader import Leader
from quorate.cluster.client.lease import Lease, LeaseRequest, renew
from quorate.cluster.client.network import Network
from quorate.cluster.client.session import nonce
from quorate.cluster.client.shared import Shared
from quorate.cluster.client.status import MemberStatus, NodeIdentity, NodeStatus, SnapshotInfo
from quorate.cluster.client.timing import LoopTiming, Timing, to_ms
from quorate.cluster.client.transaction import Text, Transaction, bounds, to_bytes
from quorate.cluster.client.watch import Watch
from quorate.cluster.client.watches import Watches
from quorate.cluster.client.writes import Writes
from quorate.cluster.replicated_log import Consistency, Leadership
from quorate.cluster.service import commands
from quorate.cluster.service.commands import PUT, Comparison, Operation
from quorate.cluster.service.results import (
    CompactResult,
    DeleteResult,
    KeyValue,
    LeaseInfo,
    LeaseList,
    LeaseRevoked,
    PutResult,
    RangeResult,
    Stats,
    SwapResult,
    TxnResult,
    decode_compact,
    decode_delete,
    decode_get,
    decode_lease,
    decode_lease_revoke,
    decode_leases,
    decode_put,
    decode_range,
    decode_stats,
    decode_swap,
    decode_transaction,
)
from quorate.cluster.wire.errors import BadRequest, Unavailable
from quorate.protocols.core import Change, Member, Promote, Remove

TIMEOUT_S = 5.0
"""A healthy cluster answers in milliseconds and fails over in well under a second; a person waits five."""
SESSION_TTL_S = 60.0
"""How long the cluster remembers a client that has gone without closing."""
CLOSE_MS_MAX = 1_000
"""Closing tells the cluster that the session has ended, but does not wait long for it."""

LINEARIZABLE = Consistency.LINEARIZABLE


class Client:
    """Use `connect` to make one. It belongs to the event loop it was started in."""

    def __init__(
        self,
        endpoints: str | Iterable[str],
        *,
        timeout: float = TIMEOUT_S,
        group: str = "default",
        exactly_once: bool = True,
        spread_reads: bool = False,
        only_given: bool = False,
        session_ttl: float = SESSION_TTL_S,
        timing: Timing | None = None,
        rng: Random | None = None,
        make_nonce: Callable[[], bytes] = nonce,
    ) -> None:
        timing, rng, background = timing or LoopTiming(), rng or Random(), Background()
        network = Network(parse(endpoints), timing=timing, rng=rng, background=background, learns=not only_given)
        ttl_ms = to_ms(session_ttl)
        self._groups: dict[str, Client] = {group: self}
        self._begin(Shared(network, background, timing, rng, to_ms(timeout), exactly_once, spread_reads, ttl_ms, make_nonce), group)

    def _begin(self, shared: Shared, group: str) -> None:
        self._shared = shared
        self._network, self._background, self._timing = network, background, timing = shared.network, shared.background, shared.timing
        self._timeout_ms, self._spread_reads = shared.timeout_ms, shared.spread_reads
        self._leader = Leader(network, group=group, timing=timing, rng=shared.rng, background=background)
        self._calls = Calls(network, self._leader, group=group, timing=timing, rng=shared.rng)
        self._sessions = shared.sessions(self._calls)
        self._writes = Writes(self._calls, self._sessions)
        self._propose = self._writes.propose
        self._watches = Watches(self._calls, background)
        self._administration = Administration(self._calls)

    def __repr__(self) -> str:
        return f"<Client {self._network.describe()}>"

    async def start(self, *, timeout: float | None = None) -> "Client":
        """Reach a node. Unavailable, with the state of each endpoint, if none answers in time."""
        try:
            await self._leader.wait(self._deadline_ms(timeout))
        except BaseException as error:
            if not isinstance(error, Unavailable) or not self._network.open_connections():
                self.abort()  # reached nobody, or was cancelled: no one has the client yet who could close it
                await self._background.close()
                raise
        return self

    async def close(self) -> None:
        """End the sessions, the background work and the connections. Requests under way fail."""
        await asyncio.gather(*(client._end_session() for client in self._groups.values()))
        self.abort()
        await self._background.close()

    async def _end_session(self) -> None:
        is_reachable = self._leader.connection is not None and not self._network.is_closed
        await self._sessions.close(self._timing.now_ms() + CLOSE_MS_MAX if is_reachable else 0)

    def abort(self) -> None:
        """Drop the connections without a word to the cluster; `close` still ends the background work."""
        self._network.close()
        for client in self._groups.values():
            client._leader.close()

    def group(self, name: str) -> "Client":
        """The client of another group, over the same connections; the same one each time. It ends with this one; closing it
        before that ends its session. Where no node hosts such a group, its requests are Unavailable: nobody leads it."""
        from quorate.cluster.client.groups import GroupClient  # which is a Client itself

        if name not in self._groups:
            self._network.keeps_all = True
            self._groups[name] = GroupClient(self, name)
        return self._groups[name]

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    # Keys

    async def put(
        self,
        key: Text,
        value: Text,
        *,
        lease: "Lease | int" = 0,
        keep_lease: bool = False,
        previous: bool = False,
        timeout: float | None = None,
    ) -> PutResult:
        """Set a key, once. `lease` ties it to one; `previous` asks for what it replaces."""
        if type(key) is str:
            key = key.encode()
        if type(value) is str:
            value = value.encode()
        if type(key) is not bytes or type(value) is not bytes:
            key, value = to_bytes(key), to_bytes(value)
        if lease or keep_lease or previous:
            operation = commands.put(key, value, lease=_lease_id(lease), keep_lease=keep_lease, previous=previous)
        else:
            operation = (PUT, key, value)
        timeout_ms = self._timeout_ms if timeout is None else to_ms(timeout)
        return decode_put(await self._propose(commands.encode(operation), timeout_ms))

    async def get(
        self, key: Text, *, revision: int = 0, consistency: Consistency = LINEARIZABLE, timeout: float | None = None
    ) -> KeyValue | None:
        """A key as it is, or was at `revision`; None if it is absent."""
        return decode_get(await self._ask(commands.get(to_bytes(key), revision=revision), consistency, timeout)).item

    async def range(
        self,
        start: Text = "",
        end: Text = "",
        *,
        prefix: Text | None = None,
        limit: int = 0,
        revision: int = 0,
        keys_only: bool = False,
        count_only: bool = False,
        descending: bool = False,
        consistency: Consistency = LINEARIZABLE,
        timeout: float | None = None,
    ) -> RangeResult:
        """Keys of [start, end), or with a prefix, in order; an empty `end` is no bound. One reply holds at most 10,000
        items or 1 MiB: `more` says that there are others, and `scan` fetches them."""
        low, high = bounds(start, end, prefix)
        query = commands.range(low, high, limit=limit, revision=revision, keys_only=keys_only, count_only=count_only, descending=descending)
        return decode_range(await self._ask(query, consistency, timeout))

    async def scan(
        self,
        start: Text = "",
        end: Text = "",
        *,
        prefix: Text | None = None,
        revision: int = 0,
        consistency: Consistency = LINEARIZABLE,
        timeout: float | None = None,
    ) -> AsyncIterator[KeyValue]:
        """All keys of a range as of one revision, however many. Compacted if that revision goes meanwhile."""
        low, high = bounds(start, end, prefix)
        while True:
            page = decode_range(await self._ask(commands.range(low, high, revision=revision), consistency, timeout))
            for item in page.items:
                yield item
            if not page.more or not page.items:
                return
            low, revision = page.items[-1].key + b"\0", revision or page.revision

    async def delete(self, key: Text, *, previous: bool = False, timeout: float | None = None) -> DeleteResult:
        """Remove a key; an absent one is no error, `deleted` tells."""
        return decode_delete(await self._do(commands.delete(to_bytes(key), previous=previous), timeout))

    async def delete_range(
        self, start: Text, end: Text, *, limit: int = 0, previous: bool = False, timeout: float | None = None
    ) -> DeleteResult:
        """Remove the keys of [start, end) in one revision. TooLarge above 10,000: go in pieces with `limit`."""
        command = commands.delete_range(*bounds(start, end, None), limit=limit, previous=previous)
        return decode_delete(await self._do(command, timeout))

    async def delete_prefix(self, prefix: Text, *, limit: int = 0, previous: bool = False, timeout: float | None = None) -> DeleteResult:
        """Remove all keys with a prefix in one revision. TooLarge above 10,000: go in pieces with `limit`."""
        command = commands.delete_range(*bounds("", "", prefix), limit=limit, previous=previous)
        return decode_delete(await self._do(command, timeout))

    async def compare_and_swap(
        self, key: Text, *, expected: Text | int | None, value: Text | None, lease: "Lease | int" = 0, timeout: float | None = None
    ) -> SwapResult:
        """Set the key to `value` (None: delete it) if it is as expected: its value, its mod revision (an int), or absent (None)."""
        wanted = expected if expected is None or isinstance(expected, int) else to_bytes(expected)
        new = None if value is None else to_bytes(value)
        command = commands.compare_and_swap(to_bytes(key), wanted, new, lease=_lease_id(lease))
        return decode_swap(await self._do(command, timeout))

    async def transaction(
        self,
        comparisons: list[Comparison],
        then: list[Operation],
        otherwise: list[Operation] | None = None,
        *,
        timeout: float | None = None,
    ) -> TxnResult:
        """If all comparisons hold do `then`, else `otherwise`: one write, one revision. See `quorate.txn` for what to put in."""
        return decode_transaction(await self._do(commands.transaction(comparisons, then, otherwise), timeout))

    def txn(self, *, timeout: float | None = None) -> Transaction:
        """A transaction built step by step: `client.txn().when(...).then(...).otherwise(...).commit()`."""
        return Transaction(lambda comparisons, then, otherwise: self.transaction(comparisons, then, otherwise, timeout=timeout))

    async def compact(self, revision: int, *, timeout: float | None = None) -> CompactResult:
        """Forget the history before `revision`: reads and watches from it on still work."""
        return decode_compact(await self._do(commands.compact(revision), timeout))

    # Leases

    def lease(self, *, ttl: float, id: int = 0, timeout: float | None = None) -> LeaseRequest:
        """Grant a lease of `ttl` seconds and keep it alive: `async with client.lease(ttl=10) as lease`, or await it."""
        timeout_ms = self._timeout_ms if timeout is None else to_ms(timeout)
        return LeaseRequest(
            round(ttl * 1000), id=id, calls=self._calls, writes=self._writes, background=self._background, timeout_ms=timeout_ms
        )

    async def keep_alive(self, id: int, *, timeout: float | None = None) -> int:
        """Renew a lease that this client does not keep by itself; the time in ms that it lives from now. LeaseNotFound."""
        return await renew(self._calls, id, self._deadline_ms(timeout))

    async def revoke_lease(self, id: int, *, timeout: float | None = None) -> LeaseRevoked:
        """End a lease and delete its keys. LeaseNotFound."""
        return decode_lease_revoke(await self._do(commands.lease_revoke(id), timeout))

    async def lease_info(self, id: int, *, keys: bool = False, timeout: float | None = None) -> LeaseInfo:
        """A lease's TTL and how many keys are on it, or with `keys` which. LeaseNotFound."""
        return decode_lease(await self._ask(commands.lease(id, keys=keys), LINEARIZABLE, timeout))

    async def leases(self, *, after: int = 0, timeout: float | None = None) -> LeaseList:
        """The ids of the leases above `after`."""
        return decode_leases(await self._ask(commands.leases(after=after), LINEARIZABLE, timeout))

    async def stats(self, *, consistency: Consistency = LINEARIZABLE, timeout: float | None = None) -> Stats:
        """Sizes and revisions of the store."""
        return decode_stats(await self._ask(commands.stats(), consistency, timeout))

    # Watches

    def watch(
        self,
        key: Text | None = None,
        *,
        prefix: Text | None = None,
        start: Text = "",
        end: Text = "",
        from_revision: int = 0,
        previous: bool = False,
        timeout: float | None = None,
    ) -> Watch:
        """Every change of a key, a prefix or a range (of all keys with none of these), in order and each once, across
        failovers: `async for event in client.watch("x")`. From a revision on, or from now on with 0; to be sure that
        "now" is before what you do next, `async with client.watch("x") as watch`. Compacted if that is no longer kept."""
        if key is not None and (prefix is not None or start or end):
            raise BadRequest("watch a key, a prefix or a range, not several of them")
        low, high = bounds(start, end, prefix) if key is None else commands.single(to_bytes(key))
        timeout_ms = self._timeout_ms if timeout is None else to_ms(timeout)
        return Watch(self._watches, low, high, from_revision=from_revision, previous=previous, timeout_ms=timeout_ms)

    # The cluster: see Administration

    async def status(self, node: str | None = None, *, timeout: float | None = None) -> NodeStatus:
        """What a node (the leader if none is named) tells of itself and of the members."""
        return await self._administration.status(node, self._deadline_ms(timeout))

    async def members(self, *, timeout: float | None = None) -> tuple[MemberStatus, ...]:
        """The members as the leader knows them."""
        return await self._administration.members(self._deadline_ms(timeout))

    async def identity(self, node: str, *, timeout: float | None = None) -> NodeIdentity:
        """Who the node of that name or at that address is, even if it is not part of a cluster yet."""
        return await self._administration.identity(node, self._deadline_ms(timeout))

    async def add_member(
        self,
        name: str,
        *,
        peer_address: str,
        client_address: str,
        number: int = 0,
        storage: str = "",
        promote: bool = True,
        timeout: float | None = None,
    ) -> Member:
        """Add a running node as a learner; with `promote` it becomes a voter once it has caught up. Its number is the next
        free one and its storage id asked from it, unless given."""
        member = Member(name, number, storage, voter=False, promote=promote, peer_address=peer_address, client_address=client_address)
        return await self._administration.add(member, self._deadline_ms(timeout))

    async def promote_member(self, name: str, *, timeout: float | None = None) -> None:
        """Make a learner a voter. ChangeRefused while it has not caught up."""
        await self._administration.reconfigure(Promote(name), self._deadline_ms(timeout))

    async def remove_member(self, name: str, *, timeout: float | None = None) -> None:
        """Take a member out."""
        await self._administration.reconfigure(Remove(name), self._deadline_ms(timeout))

    async def replace_member(self, name: str, *, storage: str = "", timeout: float | None = None) -> Member:
        """Bring a member whose disk was lost back, as a learner that is promoted. Its new storage id is asked from it."""
        return await self._administration.replace(name, storage, self._deadline_ms(timeout))

    async def transfer_leadership(self, *, to: str = "", timeout: float | None = None) -> None:
        """Hand leadership over, to that voter or the one that has most of the log. Done when this returns."""
        await self._administration.transfer(to, self._deadline_ms(timeout))

    async def snapshot(self, node: str | None = None, *, timeout: float | None = None) -> SnapshotInfo:
        """Take a snapshot now, on that node or on the leader."""
        return await self._administration.snapshot(node, self._deadline_ms(timeout))

    # The replicated log

    async def propose(self, command: bytes, *, timeout: float) -> bytes:
        """Apply a command of the group's state machine, once; its result."""
        return await self._propose(command, to_ms(timeout))

    async def query(self, query: bytes, *, timeout: float, consistency: Consistency = LINEARIZABLE) -> bytes:
        """Ask the group's state machine."""
        return await self._calls.query(consistency, query, self._deadline_ms(timeout), spread=self._spread_reads)

    async def reconfigure(self, change: Change, *, timeout: float) -> None:
        """One change of the membership, in effect when this returns. ChangeRefused; Uncertain if the leader was lost."""
        await self._administration.reconfigure(change, self._deadline_ms(timeout))

    async def leadership(self) -> AsyncIterator[Leadership]:
        """Each new term that the cluster is seen in. A client is not a member, so it never leads itself."""
        async for term in self._leader.terms():
            yield Leadership(term, False)

    # The common parts

    def _deadline_ms(self, timeout: float | None) -> int:
        return self._timing.now_ms() + (self._timeout_ms if timeout is None else to_ms(timeout))

    async def _do(self, command: Operation, timeout: float | None) -> bytes:
        return await self._propose(commands.encode(command), self._timeout_ms if timeout is None else to_ms(timeout))

    async def _ask(self, query: Operation, consistency: Consistency, timeout: float | None) -> bytes:
        return await self._calls.query(consistency, commands.encode(query), self._deadline_ms(timeout), spread=self._spread_reads)


def _lease_id(lease: "Lease | int") -> int:
    return lease if isinstance(lease, int) else lease.id
