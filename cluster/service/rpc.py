"""What clients may ask of a node: the methods of its client port. Parameter types are checked before a handler runs."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Protocol

from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.config import checked_name, split_address
from quorate.cluster.runtime.engines import ENVELOPED_BYTES_MAX
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.wire.errors import BadRequest, QuorateError, TooLarge, Unavailable
from quorate.cluster.wire.rpc import Method, ServerConnection
from quorate.protocols.core import NUMBER_MAX, AddLearner, Change, Member, Promote, PromoteByHand, Remove

CONSISTENCIES = tuple(Consistency)
STORAGE_LENGTH_MAX = 128
"""Storage ids are 32 letters; more is no id."""


class Serving(Protocol):
    """What the service needs of its node."""

    def replica(self, group: str) -> Replica:
        """BadRequest names the groups there are; Unavailable while the node is not part of a cluster yet."""

    def status(self) -> Mapping[str, object]: ...

    def status_of(self, group: str) -> Mapping[str, object]: ...

    def identity(self) -> Mapping[str, object]: ...

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Run in the node's task group; `work` must not raise."""


class ClientService:
    """Replicated commands, reads, membership and status over msgpack-RPC."""

    def __init__(self, node: Serving) -> None:
        self._node = node

    def methods(self) -> dict[str, Method]:
        return {
            "ping": Method(lambda connection, id: connection.reply(id, "pong"), ()),
            "identity": Method(lambda connection, id: connection.reply(id, self._node.identity()), ()),
            "status": Method(lambda connection, id: connection.reply(id, self._node.status()), ()),
            "status_of": Method(lambda connection, id, group: connection.reply(id, self._node.status_of(group)), (str,)),
            "propose": Method(self._propose, (str, bytes)),
            "query": Method(self._query, (str, int, bytes)),
            "reconfigure": Method(self._reconfigure, (str, list)),
            "transfer": Method(self._transfer, (str, str)),
            "snapshot": Method(self._snapshot, (str,)),
        }

    def _propose(self, connection: ServerConnection, id: int, group: str, command: bytes) -> None:
        if len(command) > ENVELOPED_BYTES_MAX:
            raise TooLarge(f"a command of {len(command)} bytes; at most {ENVELOPED_BYTES_MAX}")
        self._node.replica(group).propose_for(connection, id, command)

    def _query(self, connection: ServerConnection, id: int, group: str, consistency: int, query: bytes) -> None:
        if not 0 <= consistency < len(CONSISTENCIES):
            known = ", ".join(f"{level.value} {level.name.lower()}" for level in CONSISTENCIES)
            raise BadRequest(f"unknown consistency {consistency}; known: {known}")
        self._node.replica(group).read_for(connection, id, query, CONSISTENCIES[consistency])

    def _reconfigure(self, connection: ServerConnection, id: int, group: str, change: list[object]) -> None:
        self._node.replica(group).reconfigure_for(connection, id, decode_change(change))

    def _transfer(self, connection: ServerConnection, id: int, group: str, to: str) -> None:
        replica = self._node.replica(group)
        replica.transfer_for(connection, id, to or replica.successor())

    def _snapshot(self, connection: ServerConnection, id: int, group: str) -> None:
        replica = self._node.replica(group)

        async def take() -> None:
            snapshot = await replica.snapshots.take()
            connection.reply(id, {"id": snapshot.id, "index": snapshot.index, "term": snapshot.term, "size": snapshot.size})

        self._node.start(answering(connection, id, take))


async def answering(connection: ServerConnection, id: int, work: Callable[[], Coroutine[object, object, None]]) -> None:
    """Run `work`, which replies; what it raises becomes the reply."""
    try:
        await work()
    except QuorateError as error:
        connection.fail(id, error)
    except OSError as error:
        # A full disk is this request's misfortune; out of this task it would be the node's end.
        connection.fail(id, Unavailable(f"the disk refused: {error}"))


def decode_change(row: list[object]) -> Change:
    """["add", name, number, storage, promote, peer_address, client_address], ["promote", name], ["remove", name] ..."""
    match row:
        case ["add", str(name), int(number), str(storage), bool(promote), str(peer), str(client)]:
            member = Member(name, number, storage, voter=False, promote=promote, peer_address=peer, client_address=client)
            _check_member(member)
            return AddLearner(member)
        case ["promote", str(name)]:
            return Promote(name)
        case ["remove", str(name)]:
            return Remove(name)
        case ["promote_by_hand", str(name)]:
            return PromoteByHand(name)
        case _:
            raise BadRequest(f"not a membership change: {row!r:.200}; known: add, promote, remove, promote_by_hand")


def _check_member(member: Member) -> None:
    """Once in the log, a member that makes no sense is every node's trouble, for ever."""
    try:
        checked_name(member.name)
        split_address(member.peer_address)
        if member.client_address:
            split_address(member.client_address)
    except ValueError as error:
        raise BadRequest(f"member {member.name:.64}: {error}") from None
    if not 1 <= member.number <= NUMBER_MAX:
        raise BadRequest(f"member {member.name}: a number is 1 to {NUMBER_MAX}, not {member.number}")
    if not 1 <= len(member.storage) <= STORAGE_LENGTH_MAX:
        raise BadRequest(f"member {member.name}: a storage id is needed; `quorate status` of the node shows it")
