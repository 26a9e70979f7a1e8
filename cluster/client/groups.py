"""The client of one more group, beside the first."""

from quorate.cluster.client.client import Client


class GroupClient(Client):
    """On the connections of the first client."""

    def __init__(self, first: Client, group: str) -> None:
        self._first = first
        self._begin(first._shared, group)

    async def close(self) -> None:
        """End this group's session."""
        await self._end_session()

    def abort(self) -> None:
        """The connections are not its own to drop."""

    def group(self, name: str) -> Client:
        return self._first.group(name)
