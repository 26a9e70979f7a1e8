"""Options that many commands share, said once."""

from typing import Annotated

import typer

from quorate.cluster.cli.exits import UsageError
from quorate.cluster.replicated_log import Consistency

TIMEOUT_S = 5.0
"""A person waits; an election takes a fraction of it."""
CONSISTENCIES = {"linearizable": Consistency.LINEARIZABLE, "leader": Consistency.LEADER, "local": Consistency.LOCAL}

EndpointsOption = Annotated[
    str | None,
    typer.Option(
        "--endpoints",
        "-e",
        metavar="HOST:PORT,...",
        help="Client addresses of some nodes. Default: $QUORATE_ENDPOINTS, else the local cluster.",
        rich_help_panel="Which cluster",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        metavar="DIR",
        help="Directory of the local cluster. Default: $QUORATE_LOCAL, else $XDG_STATE_HOME/quorate/local.",
        rich_help_panel="Which cluster",
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", "-t", min=0.01, max=3600, metavar="SECONDS", help="Give up after this long.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document (or one per line), for machines.")]
ConsistencyOption = Annotated[
    str,
    typer.Option(
        "--consistency",
        "-c",
        metavar="LEVEL",
        help="linearizable: sees every finished write. leader: the same from the leader's lease, relying on clocks. "
        "local: whatever the asked node has, perhaps old.",
    ),
]


def consistency(word: str) -> Consistency:
    found = [level for name, level in CONSISTENCIES.items() if name.startswith(word.lower())]
    if len(found) != 1:
        raise UsageError(f"--consistency is one of {', '.join(CONSISTENCIES)}, not {word!r}")
    return found[0]
