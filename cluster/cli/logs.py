"""`quorate logs`: what the nodes of the local cluster say, merged by time."""

import time
from typing import Annotated

import typer

from quorate.cluster.cli import output, surroundings
from quorate.cluster.cli.exits import UsageError
from quorate.cluster.cli.options import DataOption, JsonOption

FOLLOW_S = 0.1
"""Between two looks at the files: below what a person notices."""
LINES_MAX = 100_000


def logs(
    context: typer.Context,
    nodes: Annotated[list[str] | None, typer.Argument(metavar="NODE", help="Default: all.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=LINES_MAX, help="The last lines of each node.")] = 20,
    json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show the logs of the local cluster's nodes, oldest first.

    Examples:

    - `quorate logs`
    - `quorate logs n2 --lines 100`
    - `quorate logs --follow`
    """
    from quorate.cluster.local import logs as files
    from quorate.cluster.local.directory import Directory

    place = Directory(surroundings.of(context).directory(data))
    known = list(place.read().nodes)
    for node in nodes or ():
        if node not in known:
            raise UsageError(f"no node {node!r} in {place.path}; there are {', '.join(known)}")
    paths = {node: place.log_path(node) for node in nodes or known}
    following = files.follow(paths)
    if follow:
        next(following)  # takes its positions before the last lines are read: a line may come twice, none gets lost
    for entry in files.merged({node: files.tail(path, lines) for node, path in paths.items()}):
        output.line(as_json(entry.node, entry.text) if json else files.readable(entry.node, entry.text))
    if not follow:
        return
    try:
        for node, text in following:
            if node:
                output.line(as_json(node, text) if json else files.readable(node, text))
            else:
                time.sleep(FOLLOW_S)
    except KeyboardInterrupt:
        return


def as_json(node: str, text: str) -> str:
    """The line as the node wrote it if it is an object; else (a traceback, say) one with the node and the line as its event."""
    from json import dumps, loads

    try:
        if isinstance(loads(text), dict):
            return text
    except ValueError:
        pass
    return dumps({"node": node, "event": text}, ensure_ascii=False)


def add_to(app: typer.Typer) -> None:
    app.command("logs", rich_help_panel="Local cluster")(logs)
