"""`quorate proxy`: the fault proxy between the nodes of a cluster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.lifeline import end_with_stdin
from quorate.cluster.cli.options import JsonOption

if TYPE_CHECKING:
    from quorate.cluster.faults.control import Control


def add_to(app: typer.Typer) -> None:
    app.command("proxy", rich_help_panel="Nodes")(proxy)


def proxy(
    config: Annotated[Path, typer.Argument(metavar="FILE", help="TOML: the nodes, and where they listen.")],
    json: JsonOption = False,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Stand between nodes, and delay, lose, double, reorder, damage or cut what they say.

    Prints one port for each ordered pair of nodes: source reaches destination there, and nowhere else. Without a fault it only relays.
    Faults are set over HTTP, each for a limited time; docs/proxy.md has them all. When the proxy stops, nodes see closed connections.

    A file:

        control = "127.0.0.1:8474"
        [nodes.n1]
        peer = "127.0.0.1:7101"
        client = "127.0.0.1:7001"
        [nodes.n2]
        peer = "127.0.0.1:7102"
        [links]
        "n1>n2" = "127.0.0.1:9012"

    Examples:

    - `quorate proxy cluster.toml`
    - `quorate proxy cluster.toml --json`
    - `curl -X PUT localhost:8474/faults -d '{"id": "cut", "ttl_s": 10, "faults": [{"shape": {"kind": "isolate", "node": "leader"}}]}'`
    - `curl -X POST localhost:8474/heal`
    """
    if until_stdin_closes:
        end_with_stdin()
    import uvloop

    from quorate.cluster.faults.serving import load, serve

    uvloop.run(serve(load(config), _show_json if json else _show))


def _show(control: "Control") -> None:
    from quorate.cluster.faults.views import ports_view

    columns = [output.Column(title) for title in ("LINK", "DIAL", "LEADS TO", "FOR")]
    rows = [[str(port[name]) for name in ("link", "listen", "leads_to", "for")] for port in ports_view(control.network)]
    output.table(columns, rows)
    output.line(f"Control: http://{control.address} (PUT /faults, POST /heal, GET /links, GET /events)")


def _show_json(control: "Control") -> None:
    ports = {port.name: port.address for port in control.network.ports.values()}
    output.document({"control": control.address, "ports": ports})
