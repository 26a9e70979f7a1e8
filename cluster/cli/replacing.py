"""`quorate member replace`: a node whose disk was lost comes back, in every group.

It is two changes in each group, so an attempt may end between them; the next one goes on there.
"""

from typing import TYPE_CHECKING

from quorate.cluster.cli import surroundings
from quorate.cluster.cli.everywhere import in_every_group
from quorate.cluster.cli.exits import Unfinished
from quorate.cluster.wire.errors import QuorateError

if TYPE_CHECKING:
    from quorate.cluster.client import Client
    from quorate.cluster.client.status import MemberStatus
    from quorate.protocols.core import Member

LOOK_S = 3.0
"""To find out how far a change came that failed; an election in between takes a fraction of it."""


async def replace_everywhere(client: "Client", only: str, name: str, timeout_s: float) -> "Member":
    """The member as it was added again. `only`: the group that was named, if one was."""
    found: dict[str, MemberStatus] = {}

    async def change(group: "Client") -> "Member":
        members = {member.name: member for member in await group.members()}
        if name in found and name not in members:
            # Taken out by an attempt that came no further.
            known = found[name]
            return await group.add_member(name, peer_address=known.peer_address, client_address=known.client_address)
        try:
            return await group.replace_member(name)
        except QuorateError as error:
            if name not in members:
                raise
            raise await _unfinished(group, name, members[name].client_address, error, min(LOOK_S, timeout_s)) from None

    async def is_done(group: "Client") -> bool:
        member = next((member for member in await group.members() if member.name == name), None)
        if member is None:
            return False
        found[name] = member
        return (await group.identity(member.client_address)).storage == member.storage

    return await in_every_group(client, only, change, is_done)


async def _unfinished(client: "Client", name: str, address: str, error: QuorateError, look_s: float) -> Exception:
    """What to say of a replacement that failed: it is two changes, and the first may have been made."""
    add = f"`quorate member add {name} --client {address}`"
    why = error.message.rstrip(".")
    try:
        is_member = any(member.name == name for member in await client.members(timeout=look_s))
    except QuorateError:
        return surroundings.Hinted(Unfinished(f"{name} may be taken out: {why}"), f"if `quorate member list` is without {name}: {add}")
    if not is_member:
        return surroundings.Hinted(Unfinished(f"{name} was taken out, but not added again: {why}"), add)
    return error
