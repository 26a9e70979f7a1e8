"""What a node's state is, in one number: replicas that have applied the same entries must give the same one.

The rule: the state is fixed at one index, in the turn in which that is said, and encoded in slices beside other work. Equal
states encode to equal bytes (see image).
"""

import asyncio

import xxhash

from quorate.cluster.runtime.replica import Replica
from quorate.cluster.service.rpc import Serving, answering
from quorate.cluster.wire.rpc import Method, ServerConnection


class DigestService:
    """`digest`: of a group, {index, term, digest}: all sessions and the whole state as of that entry."""

    def __init__(self, node: Serving) -> None:
        self._node = node

    def methods(self) -> dict[str, Method]:
        return {"digest": Method(self._digest, (str,))}

    def _digest(self, connection: ServerConnection, id: int, group: str) -> None:
        replica = self._node.replica(group)

        async def work() -> None:
            connection.reply(id, await digest(replica))

        self._node.start(answering(connection, id, work))


async def digest(replica: Replica) -> dict[str, object]:
    """Unavailable if the replica has stopped."""
    applier = replica.applier
    async with applier.paused():
        index, term, encode = applier.index, applier.term, applier.machine.freeze()
    hashed = xxhash.xxh3_128()
    for part in encode():
        hashed.update(part)
        await asyncio.sleep(0)
    return {"index": index, "term": term, "digest": hashed.hexdigest()}
