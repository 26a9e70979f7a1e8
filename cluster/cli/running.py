"""`quorate up` and `quorate down`: a cluster of real nodes on this machine.

The rule: `up` in the foreground owns what it shows: however it ends, its nodes end. With --detach they live on until `down`.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output, overview, surroundings
from quorate.cluster.cli.exits import UsageError
from quorate.cluster.cli.nodes import parse_settings
from quorate.cluster.cli.options import DataOption, JsonOption
from quorate.cluster.cli.output import Json

if TYPE_CHECKING:
    from quorate.cluster.local import LocalCluster
    from quorate.cluster.local.directory import Directory, Settings

NODES_DEFAULT = 3
ENGINE_DEFAULT = "raft"
DOWN_S = 30.0
"""For a `quorate up` elsewhere to stop its nodes and end."""
POLL_S = 0.05
FAULT_SETTINGS = ("faults.files=true", "faults.admin=true")
ENGINE_HELP = (
    "Consensus engine, raft, zab, kraft, multipaxos or fastpaxos, on the first start; or logship, which is none and loses acknowledged "
    "writes.  [default: raft]"
)
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Ended(BaseException):
    """A signal asks us to end. Not an Exception: nothing on the way may take it for an error and go on."""


def up(
    context: typer.Context,
    nodes: Annotated[
        int | None, typer.Option("--nodes", "-n", min=1, max=15, help="How many, on the first start.  [default: 3]", show_default=False)
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help=ENGINE_HELP, show_default=False),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave the nodes running and return once they are ready.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting of every node, as `timing.lease_ms=200`.")
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups",
            metavar="NAMES|N",
            help="Groups beside the default one: `orders,users`, or how many (g1, g2, ...).",
            show_default=False,
        ),
    ] = None,
    proxy: Annotated[bool, typer.Option("--proxy", help="On the first start: put a fault proxy between all nodes.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="Let `quorate chaos` break disks and clocks.")] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Start a cluster on this machine and show it live.

    Ctrl-C stops it. The data stays: `up` again resumes the same cluster. Nodes that run already are left alone, missing ones are started.

    Examples:

    - `quorate up`
    - `quorate up --nodes 5 --data ./cluster`
    - `quorate up --detach && quorate put greeting hello`
    - `quorate up --groups orders,users`
    - `quorate up --proxy --faults`, and then `quorate chaos --help`
    """
    if json and not detach:
        raise UsageError("--json goes with --detach; `quorate status --watch --json` tells of a cluster that runs")
    path = surroundings.of(context).directory(data)
    chosen = dict(parse_settings([*(FAULT_SETTINGS if faults else ()), *(settings or [])]))
    if groups is not None:
        chosen["groups"] = {**_groups(groups), **_mapping(chosen.get("groups"))}
    cluster = _open_or_create(path, nodes, engine, chosen, attached=not detach, proxied=proxy)
    if detach and cluster.directory.up_is_held():
        cluster.directory.hold_up()  # says who holds it
    if not detach:
        cluster.directory.hold_up()
    _warn(cluster.record.engine, output.complain if json else output.line)
    if json:
        output.document(_started_json(cluster))
    elif detach:
        _start(cluster)
        overview.show(overview.look_local(cluster.record))
        output.line(_next_steps(path, cluster, context))
    else:
        _run(cluster, _next_steps(path, cluster, context))


def _groups(words: str) -> dict[str, object]:
    """Those that `--groups` names, none of them with settings of its own."""
    names = [f"g{number}" for number in range(1, int(words) + 1)] if words.isdecimal() else words.split(",")
    return {name.strip(): {} for name in names}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _open_or_create(
    path: Path, nodes: int | None, engine: str | None, settings: Mapping[str, object], *, attached: bool, proxied: bool
) -> "LocalCluster":
    from quorate.cluster.local import LocalCluster, NoLocalCluster
    from quorate.cluster.local.directory import checked_settings

    wanted = checked_settings(settings)
    try:
        cluster = LocalCluster.open(path, attached=attached)
    except NoLocalCluster:
        _check(wanted, engine or ENGINE_DEFAULT)
        count, chosen = nodes or NODES_DEFAULT, engine or ENGINE_DEFAULT
        return LocalCluster.create(path, nodes=count, engine=chosen, settings=wanted, attached=attached, proxied=proxied)
    record = cluster.record
    if nodes is not None and nodes != len(record.nodes):
        raise UsageError(
            f"the cluster in {path} has {output.count(len(record.nodes), 'node')}, not {nodes}: grow it with `quorate start --new`, "
            "begin anew with `quorate down --wipe`, or give another directory with --data"
        )
    if engine is not None and engine != record.engine:
        raise UsageError(f"the cluster in {path} runs {record.engine}, not {engine}: give another directory with --data")
    if proxied and record.proxy is None:
        raise UsageError(f"the cluster in {path} began without a proxy: give another directory with --data")
    if wanted:
        _check(wanted, record.engine)
        cluster.configure_all(wanted)
    return cluster


def _check(settings: "Settings", engine: str) -> None:
    """A mistyped setting is an error here, not three dead nodes and a line in each log."""
    from quorate.cluster.local.directory import ClusterRecord, NodeRecord, node_settings
    from quorate.cluster.runtime.config import load

    sample = ClusterRecord("local", engine, {"n1": NodeRecord(1, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")}, dict(settings))
    load(None, node_settings(sample, "n1", Path("data")))


def _warn(engine: str, say: Callable[[str], None]) -> None:
    from quorate.cluster.runtime.config import UNSAFE

    if (unsafe := UNSAFE.get(engine)) is not None:
        say(f"warning: {unsafe}")


def _start(cluster: "LocalCluster") -> None:
    began = time.monotonic()
    started = cluster.start()
    if not started:
        output.line(f"All {output.count(len(cluster.names), 'node')} run already.")
        return
    output.line(f"Starting {', '.join(started)} in {cluster.directory.path} ...")
    _wait_ready(cluster, started)
    output.line(f"Ready after {time.monotonic() - began:.1f} s.")


def _started_json(cluster: "LocalCluster") -> dict[str, Json]:
    started = cluster.start()
    _wait_ready(cluster, started)
    return {
        "cluster": cluster.record.cluster,
        "engine": cluster.record.engine,
        "directory": str(cluster.directory.path),
        "endpoints": cluster.endpoints,
        "proxy": cluster.record.proxy.control if cluster.record.proxy is not None else None,
        "started": started,
        **overview.as_json(overview.look_local(cluster.record)),
    }


def _wait_ready(cluster: "LocalCluster", started: Sequence[str]) -> None:
    """Those that must be added first are not waited for."""
    if founding := [name for name in started if not cluster.record.nodes[name].join]:
        cluster.wait_ready(*founding)


def _next_steps(path: Path, cluster: "LocalCluster", context: typer.Context) -> str:
    default = surroundings.Surroundings(environment=surroundings.of(context).environment).directory(None)
    where = "" if path == default else f" --data {_short(path)}"
    elsewhere = f"From elsewhere on this machine: export QUORATE_ENDPOINTS={cluster.endpoints}"
    steps = f"Try, in another terminal: quorate put greeting hello{where}\n{elsewhere}"
    proxy = cluster.record.proxy
    return f"{steps}\nFault proxy between the nodes: http://{proxy.control} (docs/proxy.md)" if proxy is not None else steps


def _short(path: Path) -> str:
    try:
        return f"./{path.relative_to(Path.cwd())}" if path != Path.cwd() else "."
    except ValueError:
        return str(path)


def _run(cluster: "LocalCluster", hint: str) -> None:
    """Show the cluster until a signal; then stop it."""
    with _signals_end():
        try:
            _start(cluster)
            _show_live(cluster, hint)
        except _Ended:
            pass
        finally:
            _stop(cluster)


@contextlib.contextmanager
def _signals_end() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        # From here on they are ignored: a stop under way is not helped by a second one.
        for other in ENDING:
            signal.signal(other, signal.SIG_IGN)
        raise _Ended

    before = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(cluster: "LocalCluster") -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # the terminal may be gone
        output.line("Stopping ...")
    cluster.stop()
    cluster.directory.release_up()
    with contextlib.suppress(OSError):
        output.line(f"Stopped. The data stays in {cluster.directory.path}; `quorate up` resumes it.")


def _show_live(cluster: "LocalCluster", hint: str) -> None:
    record = cluster.record
    heading = f"{record.cluster}: {output.count(len(record.nodes), 'node')}, {record.engine}, in {cluster.directory.path}"
    if not sys.stdout.isatty():
        overview.show(overview.look_local(record))
        output.line(hint)
        while True:
            _reap(cluster)
            time.sleep(overview.REFRESH_S)
    from rich.live import Live

    footer = f"{hint}\nCtrl-C stops the cluster."
    with Live(overview.renderable(overview.look_local(record), heading, footer), auto_refresh=False) as live:
        while True:
            _reap(cluster)
            live.update(overview.renderable(overview.look_local(cluster.record), heading, footer), refresh=True)
            time.sleep(overview.REFRESH_S)


def _reap(cluster: "LocalCluster") -> None:
    for name in cluster.names:
        cluster.exit_code(name)


def down(
    context: typer.Context,
    wipe: Annotated[bool, typer.Option("--wipe", help="Remove the cluster and all its data.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --wipe.")] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Stop the local cluster; its data stays.

    Each node hands over leadership, flushes and ends.

    Examples:

    - `quorate down`
    - `quorate down --wipe --yes`
    """
    from quorate.cluster.local import LocalCluster
    from quorate.cluster.local.directory import Directory

    path = surroundings.of(context).directory(data)
    if wipe and not yes:
        if json or not sys.stdin.isatty():
            raise UsageError("--wipe removes all data; confirm with --yes")
        typer.confirm(f"Remove the cluster in {path} and all its data?", abort=True)
    place = Directory(path)
    if wipe and not _readable(place):
        place.remove()
        if json:
            output.document({"directory": str(path), "stopped": [], "removed": "record"})
        else:
            output.line(f"Removed the damaged record of {path}; node directories in it stay, delete them by hand.")
        return
    cluster = LocalCluster.open(path, attached=False)
    running = [name for name in cluster.names if cluster.is_running(name)]
    if place.up_is_held():
        _end_up(place)
    cluster.stop()
    if not json:
        output.line(f"Stopped {', '.join(running)}." if running else "Nothing was running.")
    if wipe:
        cluster.destroy()
    if json:
        output.document({"directory": str(path), "stopped": running, "removed": "all" if wipe else "nothing"})
    elif wipe:
        output.line(f"Removed {path}.")


def _readable(place: "Directory") -> bool:
    from quorate.cluster.local.directory import LocalError, NoLocalCluster

    try:
        place.read()
    except NoLocalCluster:
        raise
    except LocalError:
        return False
    return True


def _end_up(place: "Directory") -> None:
    """End the `quorate up` that runs in another terminal, and wait for it: it stops its nodes."""
    from quorate.cluster.local.directory import LocalError

    holder = place.up_holder()
    if holder:
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_S
    while place.up_is_held():
        if time.monotonic() >= deadline:
            raise LocalError(f"`quorate up` (pid {holder}) does not end; look at its terminal")
        time.sleep(POLL_S)


def add_to(app: typer.Typer) -> None:
    panel = "Local cluster"
    app.command("up", rich_help_panel=panel)(up)
    app.command("down", rich_help_panel=panel)(down)
