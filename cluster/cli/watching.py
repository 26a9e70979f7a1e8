"""`quorate watch`: changes as they happen, none lost and none twice, over any failover."""

from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli.options import TIMEOUT_S, DataOption, EndpointsOption, JsonOption, TimeoutOption

if TYPE_CHECKING:
    pass


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
    """Print every change of a key, a prefix, or everything: revision, put or delete, key, value.

    Examples:

    - `quorate watch greeting`
    - `quorate watch jobs/ --prefix --from-revision 100`
    - `quorate watch --json | jq .key`
    """
