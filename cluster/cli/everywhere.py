"""A change of the members made in every group of the cluster, one group after the other.

The rule: the default group comes last. It says who belongs to the cluster, so a node is let in when all groups know its disk, and shown
out when none counts on it any more. Where a change stopped half-way the same command goes on: what is done is left alone.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from quorate.cluster.cli.exits import Unfinished
from quorate.cluster.cli.surroundings import Hinted
from quorate.cluster.wire.errors import QuorateError

if TYPE_CHECKING:
    from quorate.cluster.client import Client

T = TypeVar("T")
DEFAULT = "default"


async def in_every_group(
    client: "Client", only: str, change: "Callable[[Client], Awaitable[T]]", is_done: "Callable[[Client], Awaitable[bool]]"
) -> T:
    """Make `change` wherever it is not done, or only in the group that `client` speaks to, if that was named. Unfinished says how far
    it came."""
    further = [] if only else sorted(set((await client.status()).groups) - {DEFAULT})
    if not further:
        return await change(client)
    groups = [client.group(name) for name in (*further, DEFAULT)]
    left = [(name, group) for name, group in zip((*further, DEFAULT), groups) if not await is_done(group)]
    made: list[str] = []
    result: T
    for name, group in left or [(DEFAULT, groups[-1])]:  # where nothing is left, the last one says what it thinks of that
        try:
            result = await change(group)
        except (QuorateError, Hinted) as error:
            if not made:
                raise
            why = error.error if isinstance(error, Hinted) else error
            again = "the same command again: it goes on where this one stopped"
            raise Hinted(Unfinished(f"done in {', '.join(made)}, but not in {name}: {why}"), again) from None
        made.append(name)
    return result
