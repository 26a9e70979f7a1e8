"""Membership, status and hand-over: what people who run a cluster ask.

The rule: what changes the cluster is sent once, to the leader; a promotion by hand, to whom it names. An attempt that ended without an
answer is Uncertain: look at the members before asking again.
"""

from dataclasses import replace

from quorate.cluster.client.calls import Calls
from quorate.cluster.client.connection import Connection, ConnectionLost, DeadlinePassed, NotSent
from quorate.cluster.client.endpoints import Endpoint, parse
from quorate.cluster.client.status import (
    GroupStatus,
    MemberStatus,
    NodeIdentity,
    NodeStatus,
    SnapshotInfo,
    decode_identity,
    decode_snapshot,
    decode_status,
)
from quorate.cluster.client.timing import sleep
from quorate.cluster.wire.errors import BadRequest, ChangeRefused, QuorateError, Unavailable, Uncertain
from quorate.protocols.core import AddLearner, Change, Member, Promote, PromoteByHand, Remove
from quorate.protocols.core.values import NUMBER_MAX

CONNECT_PAUSE_MS = 20
"""How often to look whether a node that was asked by name has been reached."""


class Administration:
    """Requests that name a node, or that change the cluster."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._network = calls.network
        self._leader = calls.leader

    async def status(self, node: str | None, deadline_ms: int) -> NodeStatus:
        """Of the node with that name or address; of any node, the leader if there is one, without."""
        if node is None:
            try:
                return decode_status(await self._calls.to_leader("status", (), self._patience_ms(deadline_ms)))
            except Unavailable:
                connection = self._network.any_connection()
                if connection is None:
                    raise
                return decode_status(await self._ask_once(connection, "status", (), deadline_ms))
        return decode_status(await self._ask_once(await self._reach(node, deadline_ms), "status", (), deadline_ms))

    async def members(self, deadline_ms: int) -> tuple[MemberStatus, ...]:
        """As the leader knows them."""
        return (await self._group(deadline_ms)).members

    async def _group(self, deadline_ms: int) -> GroupStatus:
        group = decode_status(await self._calls.to_leader("status_of", (self._calls.group,), deadline_ms)).groups.get(self._calls.group)
        if group is None:
            raise BadRequest(f"no group {self._calls.group!r} on this cluster")
        return group

    async def identity(self, node: str, deadline_ms: int) -> NodeIdentity:
        """Of the node with that name or address, even if it is not part of a cluster yet."""
        return decode_identity(await self._ask_once(await self._reach(node, deadline_ms), "identity", (), deadline_ms))

    async def snapshot(self, node: str | None, deadline_ms: int) -> SnapshotInfo:
        """Taken now, on that node or on the leader."""
        connection = await (self._leader.wait(deadline_ms) if node is None else self._reach(node, deadline_ms))
        return decode_snapshot(await self._ask_once(connection, "snapshot", (self._calls.group,), deadline_ms))

    async def transfer(self, to: str, deadline_ms: int) -> None:
        await self._to_leader_once("transfer", (self._calls.group, to), deadline_ms)

    async def reconfigure(self, change: Change, deadline_ms: int) -> None:
        if isinstance(change, PromoteByHand):
            await self._promote_by_hand(change, deadline_ms)
            return
        await self._to_leader_once("reconfigure", (self._calls.group, _row(change)), deadline_ms)

    async def _promote_by_hand(self, change: PromoteByHand, deadline_ms: int) -> None:
        """Of the node that it names: the primary, whom others would ask, is the one that is gone."""
        connection = await self._reach(change.name, deadline_ms)
        engine = decode_status(await self._ask_once(connection, "status", (), deadline_ms)).engine
        if engine not in ("", "logship"):
            raise ChangeRefused(f"{change.name} runs {engine}, which elects its leader itself; hand over with: quorate leader transfer")
        try:
            await self._calls.ask(connection, "reconfigure", (self._calls.group, _row(change)), deadline_ms)
        except (DeadlinePassed, ConnectionLost) as error:
            why = "no answer in time" if isinstance(error, DeadlinePassed) else error.message
            raise Uncertain(f"{change.name} may be primary now: {why}; look at `quorate status` before asking again") from None

    async def add(self, member: Member, deadline_ms: int) -> Member:
        """Add as a learner; what is missing of storage id and number is found out. The member as added."""
        group = await self._group(deadline_ms)
        if any(other.name == member.name for other in group.members):
            raise ChangeRefused(
                f"{member.name} is a member already; if its disk was lost, replace it: quorate member replace {member.name}"
            )
        if not member.number:
            member = replace(member, number=_free_number(group))
        member = await self._with_storage(member, deadline_ms)
        await self.reconfigure(AddLearner(member), deadline_ms)
        return member

    async def replace(self, name: str, storage: str, deadline_ms: int) -> Member:
        """Take a member that has lost its disk out, and the node with the new disk in, as a learner that is promoted."""
        group = await self._group(deadline_ms)
        old = next((member for member in group.members if member.name == name), None)
        if old is None:
            known = ", ".join(member.name for member in group.members)
            raise BadRequest(f"{name!r} is not a member; the members are {known}")
        # A number of its own: the new disk counts its incarnations from 1, and must not name proposals as the old one did.
        new = Member(
            old.name,
            _free_number(group),
            storage,
            promote=True,
            voter=False,
            peer_address=old.peer_address,
            client_address=old.client_address,
        )
        new = await self._with_storage(new, deadline_ms)
        if new.storage == old.storage:
            raise ChangeRefused(f"{name} still has the disk that it votes with ({old.storage}): there is nothing to replace")
        await self.reconfigure(Remove(name), deadline_ms)
        await self.reconfigure(AddLearner(new), deadline_ms)
        return new

    async def _with_storage(self, member: Member, deadline_ms: int) -> Member:
        if member.storage:
            return member
        if not member.client_address:
            raise BadRequest(f"give {member.name}'s storage id, or its client address so that it can be asked")
        identity = await self.identity(member.client_address, deadline_ms)
        if identity.node != member.name:
            raise BadRequest(f"the node at {member.client_address} is {identity.node}, not {member.name}")
        return replace(member, storage=identity.storage)

    async def _to_leader_once(self, method: str, params: tuple[object, ...], deadline_ms: int) -> object:
        """Ask the leader; repeated only while it is certain that nothing happened."""
        attempt = 0
        while True:
            connection: Connection | None = None
            try:
                connection = await self._leader.wait(deadline_ms)
                return await self._calls.ask(connection, method, params, deadline_ms)
            except Uncertain as error:
                why = "no reply in time" if isinstance(error, DeadlinePassed) else error.message
                raise Uncertain(f"{method} may have been carried out: {why}; look at the members before asking again") from None
            except QuorateError as error:
                await self._calls.recover(error, connection, attempt, deadline_ms)
            attempt += 1

    async def _ask_once(self, connection: Connection, method: str, params: tuple[object, ...], deadline_ms: int) -> object:
        """Ask this node and no other."""
        node = connection.peer_name
        try:
            return await self._calls.ask(connection, method, params, deadline_ms)
        except (DeadlinePassed, ConnectionLost, NotSent) as error:
            why = "no answer in time" if isinstance(error, DeadlinePassed) else error.message
            raise Unavailable(f"{node}: {why}") from None

    async def _reach(self, node: str, deadline_ms: int) -> Connection:
        """The connection to the node with that name or address."""
        endpoint = self._find(node)
        while True:
            connection = endpoint.connection
            if connection is not None:
                return connection
            self._network.open(endpoint)
            if self._calls.timing.now_ms() >= deadline_ms:
                raise Unavailable(f"{endpoint} does not answer: {endpoint.problem}")
            await sleep(self._calls.timing, CONNECT_PAUSE_MS)

    def _find(self, node: str) -> Endpoint:
        found = self._network.named(node, None)
        if found is None and ":" in node:
            [(host, port)] = parse([node])
            found = self._network.named(None, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        if found is None:
            known = ", ".join(str(endpoint) for endpoint in self._network.endpoints)
            raise BadRequest(f"no node {node!r} is known; known: {known}")
        return found

    def _patience_ms(self, deadline_ms: int) -> int:
        """Half of what is left, so that another node can be asked where nobody leads."""
        now_ms = self._calls.timing.now_ms()
        return now_ms + max(1, (deadline_ms - now_ms) // 2)


def _free_number(group: GroupStatus) -> int:
    if group.free_number is None:
        raise ChangeRefused(f"each of the {NUMBER_MAX} numbers was given to a member before, and none is given twice")
    return group.free_number


def _row(change: Change) -> list[object]:
    """A change as it goes on the wire."""
    match change:
        case AddLearner(member):
            return ["add", member.name, member.number, member.storage, member.promote, member.peer_address, member.client_address]
        case Promote(name):
            return ["promote", name]
        case Remove(name):
            return ["remove", name]
        case PromoteByHand(name):
            return ["promote_by_hand", name]
