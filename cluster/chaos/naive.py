"""A client as one might write it who has never heard of sessions: what is uncertain it sends again, as a new command.

For controls alone: its history must be found out. A put that arrived twice is one operation to its caller, and two to the service.
"""

from collections.abc import Iterable

from quorate.cluster.client import Client
from quorate.cluster.client.transaction import Text
from quorate.cluster.service.results import PutResult
from quorate.cluster.wire.errors import QuorateError

PATIENCE_S = 0.15
"""It gives up on an answer so soon: a few heartbeats, far less than an election takes."""


class NaiveClient(Client):
    def __init__(self, endpoints: str | Iterable[str], *, timeout: float) -> None:
        super().__init__(endpoints, timeout=timeout, exactly_once=False)

    async def put(self, key: Text, value: Text, *, timeout: float | None = None, **_: object) -> PutResult:
        deadline_ms = self._deadline_ms(timeout)
        uncertain: QuorateError | None = None
        while True:
            try:
                return await super().put(key, value, timeout=PATIENCE_S)
            except QuorateError as error:
                uncertain = uncertain if error.definite else error
                if self._timing.now_ms() >= deadline_ms:
                    raise (uncertain or error) from None
