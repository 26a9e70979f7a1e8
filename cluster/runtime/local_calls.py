"""Requests made in this process: a Responder whose answers are awaited, and what a core's refusal means to who asked."""

import asyncio
from collections.abc import Callable
from itertools import count

from quorate.cluster.wire.errors import ChangeRefused, Overloaded, QuorateError, Superseded, TooLarge, Uncertain
from quorate.protocols.core import NodeId, Reason, Refused


class LocalCalls:
    """A Responder whose requests are awaited in this process."""

    takes_more = True

    def defer(self, work: Callable[[], None]) -> None:
        work()

    def __init__(self) -> None:
        self._futures: dict[int, asyncio.Future[object]] = {}
        self._ids = count(1)

    async def call(self, timeout: float, start: Callable[["LocalCalls", int], None]) -> object:
        id = next(self._ids)
        future = self._futures[id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                start(self, id)
                return await future
        except TimeoutError:
            raise Uncertain(f"no outcome within {timeout} s") from None
        finally:
            self._futures.pop(id, None)

    def reply(self, request_id: int, result: object) -> None:
        future = self._futures.get(request_id)
        if future is not None and not future.done():
            future.set_result(result)

    def fail(self, request_id: int, error: QuorateError) -> None:
        future = self._futures.get(request_id)
        if future is not None and not future.done():
            future.set_exception(error)


def refusal(refused: Refused, node: NodeId) -> QuorateError:
    """The error for everything but NOT_LEADER, which only the replica can say more about."""
    match refused.reason:
        case Reason.SUPERSEDED:
            return Superseded("another leader's entry took the place of this one; nothing was written")
        case Reason.TOO_LARGE:
            return TooLarge(f"the command is too large for the log: {refused.detail}")
        case Reason.OVERLOADED:
            return Overloaded(f"{node} has too much uncommitted work; try again after a pause")
        case _:
            return ChangeRefused(f"{refused.reason.value}{': ' if refused.detail else ''}{refused.detail}")
