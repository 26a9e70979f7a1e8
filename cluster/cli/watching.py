"""`quorate watch`: changes as they happen, none lost and none twice, over any failover."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import UsageError
from quorate.cluster.cli.options import TIMEOUT_S, DataOption, EndpointsOption, JsonOption, TimeoutOption
from quorate.cluster.cli.output import Json, bytes_of, json_bytes, text_of
from quorate.cluster.cli.surroundings import with_client

if TYPE_CHECKING:
    from quorate.cluster.client import Client
    from quorate.cluster.service.results import WatchEvent


def watch(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="Default: every key.")] = "",
    prefix: Annotated[bool, typer.Option("--prefix", "-p", help="All keys that begin with KEY.")] = False,
    from_revision: Annotated[
        int, typer.Option("--from-revision", min=0, metavar="N", help="Begin with what happened then; 0: from now on.", show_default=False)
    ] = 0,
    count: Annotated[int, typer.Option("--count", "-n", min=0, metavar="N", help="End after so many changes; 0: at Ctrl-C.")] = 0,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Print every change of a key, a prefix, or everything.

    A line has the revision, put or del, the key and its value. No change is lost or shown twice, also over a failover.

    Examples:

    - `quorate watch greeting`
    - `quorate watch jobs/ --prefix --from-revision 100`
    - `quorate watch --json | jq .key`
    """
    if not key and prefix:
        raise UsageError("--prefix needs a KEY; without both every key is watched")
    wanted = bytes_of(key)

    async def work(client: "Client") -> None:
        watched = client.watch(None if prefix or not key else wanted, prefix=wanted if prefix else None, from_revision=from_revision)
        async with watched as events:
            what = f"{key!r} and what begins so" if prefix else repr(key) if key else "every key"
            output.complain(f"watching {what} from revision {events.revision + 1}; Ctrl-C ends it")
            seen = 0
            async for event in events:
                _show(event, json=json)
                seen += 1
                if seen == count:
                    return

    # Ctrl-C is how a watch ends: no error.
    with suppress(KeyboardInterrupt):
        with_client(context, endpoints, data, timeout, work)


def _show(event: "WatchEvent", *, json: bool) -> None:
    if not json:
        change = f"put  {text_of(event.key)}\t{text_of(event.current.value)}" if event.current else f"del  {text_of(event.key)}"
        output.line(f"{event.revision:>8}  {change}")
        return
    shown: dict[str, Json] = {"revision": event.revision, "change": "put" if event.current else "delete", **json_bytes("key", event.key)}
    if event.current:
        shown |= {**json_bytes("value", event.current.value), "version": event.current.version, "lease": event.current.lease}
    output.document(shown)


def add_to(app: typer.Typer) -> None:
    app.command("watch", rich_help_panel="Keys")(watch)
