"""Membership changes as faults, and disks that are lost: taken out, added back, replaced.

The rule: a disk is lost only while the others still make a quorum without it, because nothing brings back what a majority lost (the
simulator's rule). A damaged disk is set aside, never deleted.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from random import Random

from quorate.cluster.chaos.decay import flip_bit
from quorate.cluster.chaos.node_faults import FlipBit, Learner, PromoteByHand, Remove, Transfer, WipeDisk
from quorate.cluster.chaos.ongoing import Ongoing
from quorate.cluster.chaos.patience import thoroughly
from quorate.cluster.chaos.units import NotAFault
from quorate.cluster.client import Client, connect
from quorate.cluster.local import LocalCluster
from quorate.cluster.local.logs import readable, tail
from quorate.cluster.wire.errors import BadRequest, ChangeRefused, QuorateError, Unavailable
from quorate.protocols.core import PromoteByHand as Promotion

CHANGE_S = 30.0
"""A change waits for a majority, a promotion for the learner to catch up."""
ASK_S = 5.0
"""One question or change."""
RETRY_S = 0.2
REFUSES_S = 20.0
"""A node reads its log before it refuses it."""
DAMAGED = "quorate member replace"
"""Stands in the last words of a node that refuses its disk."""
LAST_LINES = 3
GROUP = "default"
MemberFault = Remove | Learner | Transfer | PromoteByHand | WipeDisk | FlipBit


class MemberActs:
    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster

    async def begin(self, ongoing: Ongoing, fault: MemberFault) -> None:
        match fault:
            case Transfer():
                async with self._client() as client:
                    await client.transfer_leadership(to=ongoing.nodes[0] if ongoing.nodes else "")
                    status = await client.status()
                ongoing.nodes = (status.groups[GROUP].leader,)
                ongoing.add("leaderships handed over", 1)
            case PromoteByHand():
                async with self._client() as client:
                    for name in ongoing.nodes:
                        await client.reconfigure(Promotion(name), timeout=CHANGE_S)
                        ongoing.add("primaries made by hand", 1)
            case Remove() | Learner():
                async with self._client() as client:
                    for name in ongoing.nodes:
                        await self._check_member(client, name)
                        ongoing.hit.append(name)
                        await client.remove_member(name)
                        ongoing.add("members changed", 1)
                        if isinstance(fault, Learner):
                            await self._add(client, name, promote=False)
            case WipeDisk() | FlipBit():
                await self._check_spare(ongoing.nodes)
                for name in ongoing.nodes:
                    ongoing.hit.append(name)
                    await thoroughly(self._cluster.kill, name)
                    if isinstance(fault, WipeDisk):
                        await thoroughly(self._set_aside, name)
                        ongoing.add("disks lost", 1)
                        await thoroughly(self._cluster.start, name)
                    else:
                        await self._rot(ongoing, name)

    async def _rot(self, ongoing: Ongoing, name: str) -> None:
        where = await thoroughly(flip_bit, self._cluster.data_path(name), Random(ongoing.seed))
        ongoing.add("bits flipped", 1)
        ongoing.notes.append(f"{name}: a bit of {where}")
        await thoroughly(self._cluster.start, name)
        deadline = time.monotonic() + REFUSES_S
        while self._cluster.is_running(name):
            if time.monotonic() >= deadline:
                ongoing.notes.append(f"{name} runs although its log is damaged")
                return
            await asyncio.sleep(RETRY_S)
        last = " ".join(readable(name, line) for line in tail(self._cluster.log_path(name), 1))
        ongoing.notes.append(f"{name} refuses to start: {last}")

    async def end(self, ongoing: Ongoing, fault: MemberFault) -> None:
        for name in ongoing.hit:
            match fault:
                case Remove() | WipeDisk():
                    await self.bring_back(name)
                case FlipBit():
                    await self.bring_up(name)
                case Learner():
                    await self.promote(name)
                case Transfer() | PromoteByHand():
                    pass

    async def bring_up(self, name: str) -> bool:
        """Start a node that does not run. One that refuses its disk gets an empty one and is a member with it; whether that was so."""
        if self._cluster.is_running(name):
            return False
        if not any(DAMAGED in line for line in tail(self._cluster.log_path(name), LAST_LINES)):
            await thoroughly(self._cluster.start, name)
            return False
        await self._check_spare((name,))
        await thoroughly(self._set_aside, name)
        await self.bring_back(name)
        return True

    async def bring_back(self, name: str) -> None:
        """A member, with the disk that it has now; it votes as soon as it has caught up."""
        await thoroughly(self._cluster.start, name)
        await self._insist(lambda client: self._add_or_replace(client, name))

    async def _add_or_replace(self, client: Client, name: str) -> None:
        members = {member.name: member for member in await client.members()}
        identity = await client.identity(self._cluster.client_address(name))
        if name not in members:
            await self._add(client, name, promote=True)
        elif members[name].storage != identity.storage:
            await client.replace_member(name)

    async def promote(self, name: str) -> None:
        """A learner votes as soon as it has caught up; who votes already does so still."""
        await self._insist(lambda client: self._promote(client, name))

    async def _promote(self, client: Client, name: str) -> None:
        if any(member.name == name and not member.voter for member in await client.members()):
            await client.promote_member(name)

    async def _insist(self, work: Callable[[Client], Awaitable[None]]) -> None:
        """Until it is done: a learner that has not caught up, or an election in between, is no reason to give up."""
        deadline = time.monotonic() + CHANGE_S
        async with self._client() as client:
            while True:
                try:
                    return await work(client)
                except QuorateError as error:
                    # Each of these changes looks first at what is the case, so to repeat an uncertain one is safe.
                    if isinstance(error, BadRequest) or time.monotonic() >= deadline:
                        raise
                await asyncio.sleep(RETRY_S)

    async def _check_member(self, client: Client, name: str) -> None:
        if name not in {member.name for member in await client.members()}:
            raise ChangeRefused(f"{name} is no member, so it cannot be taken out; bring it back with `quorate chaos heal`")

    async def _add(self, client: Client, name: str, *, promote: bool) -> None:
        address = self._cluster.client_address(name)
        identity = await client.identity(address)
        await client.add_member(
            name,
            storage=identity.storage,
            peer_address=identity.peer_address,
            client_address=identity.client_address or address,
            promote=promote,
        )

    async def _check_spare(self, names: tuple[str, ...]) -> None:
        """NotAFault unless the others make a quorum without these."""
        said = await thoroughly(self._cluster.statuses)
        leader = next((each.groups[GROUP] for each in said.values() if each is not None and each.ready and GROUP in each.groups), None)
        if leader is None:
            raise Unavailable("nobody knows the members now: a disk may be lost only while the others make a quorum")
        voters = [member.name for member in leader.members if member.voter]
        others = [name for name in voters if name not in names and (each := said.get(name)) is not None and each.ready]
        if len(others) <= len(voters) // 2:
            raise NotAFault(
                f"the disk of {', '.join(names)} must not be lost now: of the voters {', '.join(voters)} only "
                f"{', '.join(others) or 'nobody'} would be left, and that is no quorum: what was acknowledged would be gone"
            )

    def _set_aside(self, name: str) -> None:
        data = self._cluster.data_path(name)
        aside = data.with_name("data.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        if data.exists():
            data.rename(aside)

    def _client(self) -> AbstractAsyncContextManager[Client]:
        return connect(self._cluster.endpoints, timeout=ASK_S)
