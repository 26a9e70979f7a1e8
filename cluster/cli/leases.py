"""`quorate lease`: keys that vanish when nobody keeps their lease alive."""

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.options import TIMEOUT_S, DataOption, EndpointsOption, JsonOption, TimeoutOption
from quorate.cluster.cli.output import Column, Json, json_bytes, text_of
from quorate.cluster.cli.surroundings import with_client

if TYPE_CHECKING:
    from quorate.cluster.client import Client
    from quorate.cluster.service.results import LeaseInfo

KEEP_ALIVES_PER_TTL = 3
"""Two may be lost."""
LISTED_MAX = 1_000
"""Leases whose keys are looked up for the list; more are only counted."""

LEASE_HELP = """Keys that vanish when nobody keeps their lease alive.

Examples:

- `quorate put --lease $(quorate lease grant 30) worker/7 ready`
- `quorate lease list --keys`
"""
lease_app = typer.Typer(no_args_is_help=True, help=LEASE_HELP, rich_markup_mode="markdown")
IdArgument = Annotated[int, typer.Argument(metavar="ID", min=1, show_default=False)]


@lease_app.command("grant")
def grant(
    context: typer.Context,
    ttl: Annotated[float, typer.Argument(metavar="SECONDS", min=0.1, show_default=False, help="How long it lives without a keep-alive.")],
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Make a lease; prints its id.

    Example:

    - `quorate put --lease $(quorate lease grant 30) worker/7 ready`
    """

    async def work(client: "Client") -> tuple[int, int]:
        lease = await client.lease(ttl=ttl)
        return lease.id, lease.ttl_ms

    id, ttl_ms = with_client(context, endpoints, data, timeout, work)
    if json:
        output.document({"id": id, "ttl_ms": ttl_ms})
    else:
        output.line(str(id))


@lease_app.command("keep-alive")
def keep_alive(
    context: typer.Context,
    id: IdArgument,
    once: Annotated[bool, typer.Option("--once", help="Renew it once and return.")] = False,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Keep a lease alive until Ctrl-C, or renew it once.

    Exit code 1 if it has ended.

    Examples:

    - `quorate lease keep-alive 1234`
    - `quorate lease keep-alive 1234 --once`
    """

    async def work(client: "Client") -> None:
        import asyncio

        ttl_ms = (await client.lease_info(id)).ttl_ms
        while True:
            began = time.monotonic()
            left_ms = await client.keep_alive(id)
            if json:
                output.document({"id": id, "left_ms": left_ms})
            else:
                output.line(f"lease {id} lives for another {left_ms / 1000:g} s")
            if once:
                return
            await asyncio.sleep(max(0.0, ttl_ms / 1000 / KEEP_ALIVES_PER_TTL - (time.monotonic() - began)))

    # Ctrl-C is how this ends: no error.
    with suppress(KeyboardInterrupt):
        with_client(context, endpoints, data, timeout, work)


@lease_app.command("revoke")
def revoke(
    context: typer.Context,
    id: IdArgument,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """End a lease now and delete its keys.

    Exit code 1 if there is none.

    Example:

    - `quorate lease revoke 1234`
    """
    result = with_client(context, endpoints, data, timeout, lambda client: client.revoke_lease(id))
    if json:
        output.document({"id": id, "deleted": result.deleted, "revision": result.revision})
    else:
        output.line(f"lease {id} ended, {output.count(result.deleted, 'key')} deleted")


@lease_app.command("list")
def list_leases(
    context: typer.Context,
    keys: Annotated[bool, typer.Option("--keys", "-k", help="Show which keys are on each.")] = False,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Show the leases that are alive, their TTL and their keys.

    Example:

    - `quorate lease list --keys`
    """

    async def work(client: "Client") -> "tuple[list[LeaseInfo], bool]":
        from quorate.cluster.wire.errors import LeaseNotFound

        listed = await client.leases()
        found = []
        for id in listed.ids[:LISTED_MAX]:
            try:
                found.append(await client.lease_info(id, keys=keys))
            except LeaseNotFound:
                continue  # it ended between the two questions
        return found, listed.more or len(listed.ids) > LISTED_MAX

    found, more = with_client(context, endpoints, data, timeout, work)
    if json:
        output.document([_lease_json(lease, keys=keys) for lease in found])
    else:
        _show_leases(found, keys=keys)
    if more:
        output.complain(f"only the first {len(found)} are shown")


def _show_leases(found: "list[LeaseInfo]", *, keys: bool) -> None:
    if not found:
        output.line("no leases")
        return
    columns = [Column("LEASE", number=True), Column("TTL", number=True), Column("KEYS", number=not keys)]
    rows = [
        [str(lease.id), f"{lease.ttl_ms / 1000:g} s", " ".join(map(text_of, lease.keys)) if keys else str(lease.key_count)]
        for lease in found
    ]
    output.table(columns, rows)


def _lease_json(lease: "LeaseInfo", *, keys: bool) -> dict[str, Json]:
    shown: dict[str, Json] = {"id": lease.id, "ttl_ms": lease.ttl_ms, "key_count": lease.key_count}
    if keys:
        shown["keys"] = [json_bytes("key", key) for key in lease.keys]
    return shown


def add_to(app: typer.Typer) -> None:
    app.add_typer(lease_app, name="lease", rich_help_panel="Keys")
