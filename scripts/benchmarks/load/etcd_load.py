"""Load generator for etcd through its asyncio client from PyPI, aetcd: etcd_load.py ENDPOINTS. See closed_loop for the requests."""

import sys

import aetcd
import uvloop
from closed_loop import KEY_COUNT, VALUE, Client, key, serve

# One gRPC channel per member; with eight this client answered no faster at 64 and at 256 in flight.
CONNECTIONS = 3
KEYS = [key(number).encode() for number in range(KEY_COUNT)]


class Etcd:
    def __init__(self, client: aetcd.Client) -> None:
        self._client = client

    async def write(self, number: int) -> object:
        return await self._client.put(KEYS[number], VALUE)

    async def read(self, number: int) -> object:
        return await self._client.get(KEYS[number])  # linearizable unless asked otherwise

    async def close(self) -> None:
        await self._client.close()


def main() -> None:
    endpoints = [endpoint.rsplit(":", 1) for endpoint in sys.argv[1].split(",")]

    async def connect(number: int) -> Client:
        host, port = endpoints[number % len(endpoints)]
        client = aetcd.Client(host, int(port))
        await client.connect()
        return Etcd(client)

    serve(connect, CONNECTIONS, uvloop.run)


if __name__ == "__main__":
    main()
