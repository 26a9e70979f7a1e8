"""`quorate start` and `quorate kill`: single nodes of the local cluster, for people who want to see one crash and come back."""

import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output, surroundings
from quorate.cluster.cli.exits import UsageError
from quorate.cluster.cli.options import DataOption, JsonOption, TimeoutOption

if TYPE_CHECKING:
    from quorate.cluster.local import LocalCluster

SIGNALS = {name.name.removeprefix("SIG"): name for name in signal.Signals}
START_S = 30.0
SLICE_S = 1.0
"""Of waiting for a node, between two looks at what it waits for."""
COMMAND_FOR_A_PERSON = "`quorate member"
"""Stands in what a node says of itself when a command must be given before it can take part."""


def start(
    context: typer.Context,
    nodes: Annotated[list[str] | None, typer.Argument(metavar="NODE", help="Default: all that do not run.", show_default=False)] = None,
    new: Annotated[bool, typer.Option("--new", help="Start one more node and make it a member of the cluster.")] = False,
    learner: Annotated[bool, typer.Option("--learner", help="With --new: it receives everything and does not vote.")] = False,
    timeout: TimeoutOption = START_S,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Start nodes of the local cluster that do not run.

    Examples:

    - `quorate start n2`
    - `quorate start --new`
    """
    if new and nodes:
        raise UsageError("--new chooses the name of the node itself; leave the names out")
    if learner and not new:
        raise UsageError("--learner goes with --new; a member becomes a voter with `quorate member promote NODE`")
    cluster = _open(context, data)
    if new:
        _start_new(context, cluster, timeout, promote=not learner, json=json)
        return
    started = cluster.start(*nodes or ())
    for node in started:
        _wait(cluster, node, timeout)
    if json:
        output.document({"started": started, "added": None})
    elif started:
        output.line(f"Started {', '.join(started)}.")
    else:
        output.line("They run already." if nodes else f"All {output.count(len(cluster.names), 'node')} run already.")


def _wait(cluster: "LocalCluster", node: str, timeout_s: float) -> None:
    """Until the node is ready, or says that it waits for something that only a person can do."""
    from quorate.cluster.local import NotReady

    deadline = time.monotonic() + timeout_s
    while True:
        try:
            cluster.wait_ready(node, timeout_s=min(SLICE_S, max(0.0, deadline - time.monotonic())))
            return
        except NotReady:
            detail = _detail(cluster, node)
            if COMMAND_FOR_A_PERSON in detail:
                raise NotReady(f"{node} runs, but it cannot take part: {detail}") from None
            if time.monotonic() >= deadline or not cluster.is_running(node):
                raise


def _detail(cluster: "LocalCluster", node: str) -> str:
    from quorate.cluster.wire.errors import QuorateError

    try:
        return cluster.status(node).ready_detail
    except QuorateError:
        return ""


def _start_new(context: typer.Context, cluster: "LocalCluster", timeout_s: float, *, promote: bool, json: bool) -> None:
    from quorate.cluster.cli.members import added_json, join
    from quorate.cluster.wire.errors import Unavailable

    # Before the new node exists, so that a cluster which cannot take it is left as it was.
    surroundings.of(context).reach(None, str(cluster.directory.path))
    if cluster.leader() is None:
        raise Unavailable("no leader, so nobody can add a node now; look at `quorate status`")
    name = cluster.add_node()
    cluster.start(name)
    if not json:
        output.line(f"Started {name}; adding it to the cluster ...")
    node = cluster.record.nodes[name]
    try:
        added = join(context, None, str(cluster.directory.path), timeout_s, name=name, client=node.client, promote=promote)
    except surroundings.Hinted as hinted:
        later = f"{name} runs and waits: `quorate member add {name} --client {node.client}`"
        raise surroundings.Hinted(hinted.error, later) from None
    if json:
        output.document({"started": [name], "added": added_json(added)})
    else:
        output.line(f"{name} is a member; it votes as soon as it has caught up." if promote else f"{name} is a learner now.")


def kill(
    context: typer.Context,
    nodes: Annotated[list[str], typer.Argument(metavar="NODE", help="`leader` is whoever leads now.")],
    by: Annotated[
        str,
        typer.Option(
            "--signal", "-s", metavar="SIGNAL", help="KILL: a crash. TERM: a graceful stop. STOP and CONT: stand still and go on."
        ),
    ] = "KILL",
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Crash, stop or pause nodes of the local cluster.

    Examples:

    - `quorate kill n2`
    - `quorate kill leader`
    - `quorate kill n2 --signal STOP`
    """
    name = by.upper().removeprefix("SIG")
    if name not in SIGNALS:
        raise UsageError(f"--signal is a name such as KILL, TERM, STOP or CONT, not {by!r}")
    cluster = _open(context, data)
    chosen = list(dict.fromkeys(_named(cluster, node) for node in nodes))
    for node in chosen:
        if not cluster.is_running(node):
            raise UsageError(f"{node} is not running; start it with `quorate start {node}`")
    for node in chosen:
        told = _signal(cluster, node, name)
        if not json:
            output.line(told)
    if json:
        output.document({"signal": name, "nodes": chosen})


def _signal(cluster: "LocalCluster", node: str, name: str) -> str:
    """Send it, wait for what it does, and say so."""
    match name:
        case "KILL":
            cluster.kill(node)
            return f"Killed {node}. `quorate start {node}` brings it back."
        case "TERM":
            cluster.stop(node)
            return f"Stopped {node}. `quorate start {node}` brings it back."
        case _:
            cluster.signal(node, SIGNALS[name])
            return f"Sent SIG{name} to {node}."


def _named(cluster: "LocalCluster", node: str) -> str:
    if node not in cluster.names and node != "leader":
        raise UsageError(f"no node {node!r}; there are {', '.join(cluster.names)}, and `leader`")
    if node != "leader":
        return node
    found = cluster.leader()
    if found is None:
        raise UsageError("nobody leads now; name a node, or look at `quorate status`")
    return found


def _open(context: typer.Context, data: str | None) -> "LocalCluster":
    from quorate.cluster.local import LocalCluster

    return LocalCluster.open(surroundings.of(context).directory(data), attached=False)


def add_to(app: typer.Typer) -> None:
    app.command("start", rich_help_panel="Local cluster")(start)
    app.command("kill", rich_help_panel="Local cluster")(kill)
