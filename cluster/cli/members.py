"""`quorate member`, `quorate leader` and `quorate snapshot`: who belongs to the cluster, who leads it, what is kept."""

from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import by_hand, output, surroundings
from quorate.cluster.cli.everywhere import in_every_group
from quorate.cluster.cli.exits import Answer, Exit, UsageError
from quorate.cluster.cli.options import DataOption, EndpointsOption, JsonOption, TimeoutOption
from quorate.cluster.cli.output import Column, Json
from quorate.cluster.cli.replacing import replace_everywhere
from quorate.cluster.cli.surroundings import with_client

if TYPE_CHECKING:
    from quorate.cluster.client import Client
    from quorate.cluster.client.status import MemberStatus, NodeStatus
    from quorate.protocols.core import Member

CHANGE_S = 30.0
"""A change of the members waits for a majority, a hand-over for the successor to catch up."""
GROUP = "default"
COLUMNS = (
    Column("MEMBER"),
    Column("NUMBER", number=True),
    Column("ROLE"),
    Column("STATE"),
    Column("MATCH", number=True),
    Column("CLIENT"),
    Column("PEER"),
    Column("STORAGE"),
)
STORAGE_SHOWN = 8
"""Letters of a storage id that are enough to tell disks apart; --json has all."""

MEMBER_HELP = """Show and change who belongs to the cluster.

Examples:

- `quorate member list`
- `quorate member add n4 --client 10.0.0.4:7001`
- `quorate member replace n2`

Where there are several groups a change is made in each of them, the default one last; `quorate --group NAME member ...` means one.
"""
member_app = typer.Typer(no_args_is_help=True, help=MEMBER_HELP, rich_markup_mode="markdown")
leader_app = typer.Typer(rich_markup_mode="markdown", invoke_without_command=True)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The node's name in its configuration.")]


@member_app.command("list")
def list_members(
    context: typer.Context,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = 5.0,
    json: JsonOption = False,
) -> None:
    """Show the members and how far each is, as the leader knows them.

    MATCH is the last entry of the log that is known to be on the member's disk; a silent member has not answered for an election timeout.

    Example:

    - `quorate member list`
    """

    async def work(client: "Client") -> "tuple[tuple[MemberStatus, ...], NodeStatus]":
        return await client.members(), await client.status()

    members, status = with_client(context, endpoints, data, timeout, work)
    group = status.groups.get(surroundings.of(context).group or GROUP)
    leader = group.leader if group else ""
    if json:
        output.document([_member_json(member, leads=member.name == leader) for member in members])
        return
    # A leader tracks the others; how far it is itself, is what it has on its own disk.
    match = {member.name: member.match for member in members} | ({leader: group.durable} if group and status.node == leader else {})
    rows = [
        [
            member.name,
            str(member.number),
            _role(member),
            "leads" if member.name == leader else _state(member),
            "" if match[member.name] is None else str(match[member.name]),
            member.client_address,
            member.peer_address,
            member.storage[:STORAGE_SHOWN],
        ]
        for member in members
    ]
    output.table(COLUMNS, rows)


def _role(member: "MemberStatus") -> str:
    if member.voter:
        return "voter"
    return "learner, to vote" if member.promote else "learner"


def _state(member: "MemberStatus") -> str:
    return "silent" if member.active is False else member.state or ""


def _member_json(member: "MemberStatus", *, leads: bool) -> dict[str, Json]:
    return {
        "name": member.name,
        "number": member.number,
        "voter": member.voter,
        "promote": member.promote,
        "leads": leads,
        "storage": member.storage,
        "peer_address": member.peer_address,
        "client_address": member.client_address,
        "match": member.match,
        "state": member.state,
        "active": member.active,
    }


@member_app.command("add")
def add(
    context: typer.Context,
    name: NameArgument,
    client: Annotated[
        str | None,
        typer.Option(
            "--client",
            metavar="HOST:PORT",
            help="Client address of the new node. Not needed for a node of the local cluster.",
            show_default=False,
        ),
    ] = None,
    learner: Annotated[bool, typer.Option("--learner", help="It stays one: it receives everything and does not vote.")] = False,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = CHANGE_S,
    json: JsonOption = False,
) -> None:
    """Add a node that runs already.

    Start it first: with `join = true` in its configuration, under a name that no member has. It is asked for its peer address
    and its disk, receives everything, and votes once it has caught up; `quorate member list` shows how far it is. On this
    machine `quorate start --new` does all of it.

    Examples:

    - `quorate member add n4 --client 10.0.0.4:7001`
    - `quorate member add n4 --client 10.0.0.4:7001 --learner`
    """
    address = client or surroundings.of(context).local_address(name, endpoints, data)
    if not address:
        raise UsageError(f"where does {name} run? give its client address: `quorate member add {name} --client HOST:PORT`")
    added = join(context, endpoints, data, timeout, name=name, client=address, promote=not learner)
    _show_added(added, json=json)


def join(
    context: typer.Context,
    endpoints: str | None,
    data: str | None,
    timeout_s: float,
    *,
    name: str,
    client: str,
    promote: bool,
) -> "Member":
    """Ask the new node who it is, and make it a member under the next free number."""

    async def work(cluster: "Client") -> "Member":
        identity = await cluster.identity(client)
        if identity.node != name:
            raise UsageError(f"the node at {client} calls itself {identity.node!r}, not {name!r}")

        async def change(group: "Client") -> "Member":
            return await group.add_member(
                name,
                storage=identity.storage,
                peer_address=identity.peer_address,
                client_address=identity.client_address or client,
                promote=promote,
            )

        async def is_done(group: "Client") -> bool:
            return any(member.name == name and member.storage == identity.storage for member in await group.members())

        return await in_every_group(cluster, surroundings.of(context).group, change, is_done)

    return with_client(context, endpoints, data, timeout_s, work)


def added_json(member: "Member") -> dict[str, Json]:
    return {"name": member.name, "number": member.number, "storage": member.storage, "promote": member.promote}


def _show_added(member: "Member", *, json: bool) -> None:
    if json:
        output.document(added_json(member))
    elif member.promote:
        output.line(f"{member.name} is a member; it votes as soon as it has caught up (`quorate member list`).")
    else:
        output.line(f"{member.name} is a learner; `quorate member promote {member.name}` lets it vote.")


@member_app.command("promote")
def promote(
    context: typer.Context,
    name: NameArgument,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = CHANGE_S,
    json: JsonOption = False,
) -> None:
    """Let a learner vote.

    Refused while it has not caught up.

    Example:

    - `quorate member promote n4`
    """

    async def work(client: "Client") -> None:
        await in_every_group(client, surroundings.of(context).group, lambda group: group.promote_member(name), is_done)

    async def is_done(group: "Client") -> bool:
        return any(member.name == name and member.voter for member in await group.members())

    with_client(context, endpoints, data, timeout, work)
    if json:
        output.document({"name": name, "voter": True})
    else:
        output.line(f"{name} votes now.")


member_app.command("promote-by-hand")(by_hand.promote)


@member_app.command("remove")
def remove(
    context: typer.Context,
    name: NameArgument,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = CHANGE_S,
    json: JsonOption = False,
) -> None:
    """Take a node out of the cluster.

    Its process goes on until it is stopped.

    Example:

    - `quorate member remove n4`
    """

    async def work(client: "Client") -> None:
        await in_every_group(client, surroundings.of(context).group, lambda group: group.remove_member(name), is_done)

    async def is_done(group: "Client") -> bool:
        return all(member.name != name for member in await group.members())

    with_client(context, endpoints, data, timeout, work)
    if json:
        output.document({"name": name, "removed": True})
    else:
        output.line(f"{name} is no member any more; stop its process. A new node joins with `quorate member add`.")


@member_app.command("replace")
def replace(
    context: typer.Context,
    name: NameArgument,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = CHANGE_S,
    json: JsonOption = False,
) -> None:
    """Bring back a node whose disk was lost.

    With its empty disk it must not vote under its old name. Start the node with the empty disk first. It is taken out, added
    as a learner, and votes once it has caught up.

    Example:

    - `quorate member replace n2`
    """

    only = surroundings.of(context).group
    added = with_client(context, endpoints, data, timeout, lambda client: replace_everywhere(client, only, name, timeout))
    _show_added(added, json=json)


@leader_app.callback()
def leader(
    context: typer.Context,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = 5.0,
    json: JsonOption = False,
) -> None:
    """Show who leads, or hand leadership over.

    Exit code 3 if nobody leads.

    Examples:

    - `quorate leader`
    - `quorate leader transfer n2`
    """
    if context.invoked_subcommand is not None:
        return
    status = with_client(context, endpoints, data, timeout, lambda client: client.status())
    group = status.groups.get(surroundings.of(context).group or GROUP)
    if group is None or not group.leader:
        output.complain("error: no leader\n  next: `quorate status` shows which nodes answer")
        raise Answer(Exit.UNAVAILABLE)
    if json:
        output.document({"leader": group.leader, "address": group.leader_address, "term": group.term})
    else:
        where = f" at {group.leader_address}" if group.leader_address else ""
        output.line(f"{group.leader}{where}, term {group.term}")


@leader_app.command("transfer")
def transfer(
    context: typer.Context,
    to: Annotated[str, typer.Argument(metavar="NODE", show_default=False, help="Default: whoever has caught up.")] = "",
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = CHANGE_S,
    json: JsonOption = False,
) -> None:
    """Hand leadership over.

    No election timeout passes; the command returns when the other leads.

    Examples:

    - `quorate leader transfer`
    - `quorate leader transfer n2`
    """

    async def work(client: "Client") -> "NodeStatus":
        await client.transfer_leadership(to=to)
        return await client.status()

    group = with_client(context, endpoints, data, timeout, work).groups.get(surroundings.of(context).group or GROUP)
    assert group is not None
    if json:
        output.document({"leader": group.leader, "address": group.leader_address, "term": group.term})
    else:
        output.line(f"{group.leader} leads now, term {group.term}")


def snapshot(
    context: typer.Context,
    node: Annotated[str | None, typer.Argument(metavar="NODE", show_default=False, help="Default: the leader.")] = None,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = 60.0,
    json: JsonOption = False,
) -> None:
    """Let a node take a snapshot now.

    Its log before that is dropped, apart from a margin.

    Examples:

    - `quorate snapshot`
    - `quorate snapshot n2`
    """
    taken = with_client(context, endpoints, data, timeout, lambda client: client.snapshot(node))
    if json:
        output.document({"id": taken.id, "index": taken.index, "term": taken.term, "size": taken.size})
    else:
        output.line(f"snapshot {taken.id} up to index {taken.index} (term {taken.term}), {taken.size:,} bytes")


def add_to(app: typer.Typer) -> None:
    panel = "The cluster"
    app.add_typer(member_app, name="member", rich_help_panel=panel)
    app.add_typer(leader_app, name="leader", rich_help_panel=panel)
    app.command("snapshot", rich_help_panel=panel)(snapshot)
