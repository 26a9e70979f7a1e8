"""How an empty data directory becomes part of a cluster, once, and never of a second one.

The storage id is durable before anyone is told, and the initial configuration names the storage id of every member. So:
- all initial members answer and none is part of a cluster: they form one, each from the same answers;
- a peer already formed the cluster with *our* storage id in it: we were only late, and begin as it did;
- a peer knows a cluster without our storage id: our disk is new to it. We hold no vote and wait to be added or replaced.
The first start therefore needs all initial members at once; an unreachable one might know a cluster that we must not duplicate.
"""

import asyncio

from quorate.cluster.runtime.config import NodeConfig
from quorate.cluster.runtime.handshake import Party, Welcome
from quorate.cluster.runtime.logs import logger
from quorate.cluster.runtime.peers import say_hello
from quorate.cluster.wire.errors import QuorateError
from quorate.protocols.core import Configuration

ROUND_S = 0.1
"""Between two rounds of asking."""
TELL_ROUNDS = 50
"""Rounds between two log lines that say who is missing."""


class Forming:
    """Asks the initial members until it is clear how to begin. `detail` says what it waits for, for /ready and status."""

    def __init__(self, config: NodeConfig, party: Party) -> None:
        self._config = config
        self._party = party
        self._log = logger()
        self._refusal = ""
        self.detail = "asking the other members whether they know the cluster"

    async def run(self) -> Configuration:
        """The initial configuration; empty if this node has to wait until it is added."""
        rounds = 0
        while True:
            found, missing = await self._ask_all()
            if found is not None:
                return found
            self.detail = (
                f"waiting for {', '.join(missing)}: the first start needs all initial members once, "
                "because one that does not answer might already know the cluster"
            )
            if rounds % TELL_ROUNDS == 0:
                self._log.info("forming the cluster", missing=missing)
            rounds += 1
            await asyncio.sleep(ROUND_S)

    async def _ask_all(self) -> tuple[Configuration | None, list[str]]:
        """One round: (how to begin, nobody) or (None, who did not answer)."""
        storages = {self._config.node: self._party.storage}
        missing: list[str] = []
        joined_later = ""
        for name, member in self._config.members.items():
            if name == self._config.node:
                continue
            try:
                stream, welcome = await say_hello(self._party, name, self._config.routes.get(name, member.peer))
            except (OSError, TimeoutError, ValueError):  # ValueError: a name that no resolver takes
                missing.append(f"{name} ({member.peer})")
                continue
            except QuorateError as refusal:
                if refusal.message != self._refusal:
                    self._refusal = refusal.message
                    self._log.warning("a member refuses this node", peer=name, reason=refusal.message)
                if "replaced" in refusal.details:
                    return self._newcomer(name), []
                missing.append(f"{name} ({refusal.message})")
                continue
            stream.close("only asked")
            if welcome.bootstrap:
                return self._late(name, welcome), []
            if welcome.member:
                # It came in place of an initial member, and does not know how the cluster began; another may.
                joined_later = name
            storages[name] = welcome.storage
        if joined_later:
            return self._newcomer(joined_later), []
        return (None, missing) if missing else (self._config.configuration(storages), [])

    def _late(self, peer: str, welcome: Welcome) -> Configuration:
        initial = Configuration.decode(welcome.bootstrap, 0)
        mine = initial.get(self._config.node)
        if mine is not None and mine.storage == self._party.storage:
            return initial
        return self._newcomer(peer)

    def _newcomer(self, peer: str) -> Configuration:
        node = self._config.node
        self.detail = (
            f"{peer} knows the cluster, but not this disk: if {node} lost its disk, run `quorate member replace {node}`; "
            f"if it is new, run `quorate member add {node}`"
        )
        self._log.warning("this disk is new to the cluster", detail=self.detail)
        return Configuration()
