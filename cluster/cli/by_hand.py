"""`quorate member promote-by-hand`: the failover of log shipping, with a warning in it."""

from typing import Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import UsageError
from quorate.cluster.cli.options import DataOption, EndpointsOption, JsonOption, TimeoutOption
from quorate.cluster.cli.surroundings import with_client


def promote(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The replica's name.")],
    lose_writes: Annotated[bool, typer.Option("--lose-writes", help="Needed: you know that acknowledged writes may be lost.")] = False,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """DANGER: make a replica the primary, whatever that loses. Only for `--engine logship`.

    Acknowledged writes that were not shipped to this node are LOST, for good: the former primary drops them too when it comes back. Make
    sure that it is dead: one that lives and is only cut off goes on, acknowledges writes that will be lost, and answers stale reads
    (split brain) until it hears of the new primary. Of several replicas take the one with the highest COMMIT in `quorate status`.

    If the primary is well, hand over in good order, which loses nothing: `quorate leader transfer`.

    Example:

    - `quorate member promote-by-hand n2 --lose-writes`
    """
    if not lose_writes:
        raise UsageError(
            "promote-by-hand loses every acknowledged write that this node has not; if the primary is well, use `quorate leader transfer`; "
            "else confirm with --lose-writes"
        )
    from quorate.protocols.core import PromoteByHand

    with_client(context, endpoints, data, timeout, lambda client: client.reconfigure(PromoteByHand(name), timeout=timeout))
    if json:
        output.document({"name": name, "primary": True})
    else:
        output.line(f"{name} is the primary now. What it had not is lost; a former primary that comes back drops it and follows.")
