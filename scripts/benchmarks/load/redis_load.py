"""Load generator for Redis through redis-py's asyncio client with hiredis: redis_load.py ENDPOINT. See closed_loop for the requests.

As with the other systems there are at most eight connections. redis-py sends one command at a time on each, so with more in flight
the loops wait for a free connection, and that wait counts.
"""

import sys

import redis.asyncio
import uvloop
from closed_loop import CONNECTIONS_MAX, KEY_COUNT, VALUE, Client, key, serve

KEYS = [key(number).encode() for number in range(KEY_COUNT)]


class Redis:
    def __init__(self, client: "redis.asyncio.Redis") -> None:
        self._client = client

    async def write(self, number: int) -> object:
        return await self._client.set(KEYS[number], VALUE)

    async def read(self, number: int) -> object:
        return await self._client.get(KEYS[number])

    async def close(self) -> None:
        await self._client.aclose()


def main() -> None:
    host, port = sys.argv[1].rsplit(":", 1)

    async def connect(number: int) -> Client:
        pool = redis.asyncio.BlockingConnectionPool(host=host, port=int(port), max_connections=CONNECTIONS_MAX)
        return Redis(redis.asyncio.Redis.from_pool(pool))

    serve(connect, 1, uvloop.run)  # one pool, which holds the connections


if __name__ == "__main__":
    main()
