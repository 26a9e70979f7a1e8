"""What `connect` gives: a client that is not connected yet."""

from collections.abc import Generator
from types import TracebackType

from quorate.cluster.client.client import Client


class Connecting:
    """`async with` it, or await it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __await__(self) -> Generator[object, None, Client]:
        return self._client.start().__await__()

    async def __aenter__(self) -> Client:
        return await self._client.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.close()
