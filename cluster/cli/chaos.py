"""`quorate chaos`: break the local cluster on purpose, look at what is broken, put it right.

The rule: nothing stays broken by accident. Every fault has a time to live; one that needs an act at its end keeps its command in the
foreground, which ends it however it ends itself.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from typer.core import TyperGroup

from quorate.cluster.cli import chaos_report, chaos_run, output, surroundings
from quorate.cluster.cli.exits import Answer, Exit, UsageError
from quorate.cluster.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from typer._click import Command, Context

    from quorate.cluster.local import LocalCluster

T = TypeVar("T")
HELP = """Break a cluster on purpose, and see whether it keeps its word.

A run breaks a cluster under load and ends in a verdict. By hand: links fail in the fault proxy (`quorate up --proxy`), disks and clocks
in the nodes (`quorate up --faults`); every fault has a time to live, 30 s or `--for`. docs/chaos.md has all of it.

Examples:

- `quorate chaos scenarios`
- `quorate chaos run leader-kill-loop`
- `quorate chaos report run.json`
- `quorate up --proxy --faults`
- `quorate chaos isolate leader --for 10s`
- `quorate chaos jitter 50ms±30ms --link n1:n2 --dist pareto`
- `quorate chaos delay 5ms + drop 1%`
- `quorate chaos kill leader`
- `quorate chaos status`
- `quorate chaos heal`
"""


class FaultGroup(TyperGroup):
    """A command for each fault beside those below; the words of faults are loaded only when they are wanted."""

    def list_commands(self, ctx: "Context") -> list[str]:
        from quorate.cluster.chaos.vocabulary import VERBS

        return [*super().list_commands(ctx), *VERBS]

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command":
        found = super().get_command(ctx, cmd_name)
        if found is None:
            from quorate.cluster.cli.chaos_faults import command

            found = command(cmd_name)
        if found is None:
            raise UsageError(f"no fault {cmd_name!r}; there are {', '.join(self.list_commands(ctx))}")
        return found


chaos_app = typer.Typer(cls=FaultGroup, no_args_is_help=True, help=HELP, rich_markup_mode="markdown")
chaos_run.add_to(chaos_app)
chaos_report.add_to(chaos_app)


def cluster_of(context: typer.Context, data: str | None) -> "LocalCluster":
    from quorate.cluster.local import LocalCluster

    return LocalCluster.open(surroundings.of(context).directory(data), attached=False)


def run(work: Coroutine[object, object, T]) -> T:
    with asyncio.Runner() as runner:
        return runner.run(work)


@chaos_app.command("heal")
def heal(
    context: typer.Context,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", show_default=False, help="One fault of links. Default: everything.")] = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Put everything right, whoever broke it, and look whether it worked.

    Links are freed and probed, paused nodes go on, dead ones are started, disks and clocks are sound again. A node that refuses its
    damaged disk gets an empty one, and the member is replaced; the damaged one is set aside. May be repeated.

    With ID only that fault of links ends. One that has ended already is no error: it says how it ended.

    Exit code 1 if not all is well afterwards.

    Examples:

    - `quorate chaos heal`
    - `quorate chaos heal isolate-3fa2-1`
    """
    cluster = cluster_of(context, data)
    healed = run(_heal_one(cluster, id, json=json) if id is not None else _heal(cluster, json=json))
    if not healed:
        raise Answer(Exit.NO)


async def _heal(cluster: "LocalCluster", *, json: bool) -> bool:
    from dataclasses import asdict

    from quorate.cluster.chaos.acts import Acts
    from quorate.cluster.chaos.healing import sentences

    async with Acts(cluster) as acts:
        healed = await acts.heal()
    if json:
        output.document(asdict(healed))
    else:
        for sentence in sentences(healed):
            output.line(sentence)
    return healed.healed


async def _heal_one(cluster: "LocalCluster", id: str, *, json: bool) -> bool:
    from quorate.cluster.chaos.control import Control, control_address

    async with Control(control_address(cluster.record)) as control:
        answer = await control.heal(id, verify=False)
    ended = answer.get("transactions")
    how = str(ended.get(id)) if isinstance(ended, dict) else "healed"
    if json:
        output.document({"id": id, "ended": how})
    else:
        output.line(f"{id} is healed." if how == "healed" else f"{id} had {how} already.")
    return True


@chaos_app.command("status")
def status(context: typer.Context, data: DataOption = None, json: JsonOption = False) -> None:
    """Show what each link does, and each node's process, disk and clock.

    Examples:

    - `quorate chaos status`
    - `quorate chaos status --json`
    """
    from quorate.cluster.cli import chaos_views

    cluster = cluster_of(context, data)

    async def look() -> None:
        from quorate.cluster.chaos.acts import Acts

        async with Acts(cluster) as acts:
            view = await acts.status()
        if json:
            output.document(chaos_views.as_json(view))
        else:
            chaos_views.show(view)

    run(look())


@chaos_app.command("events")
def events(
    context: typer.Context,
    since: Annotated[int | None, typer.Option("--since", metavar="N", min=0, help="After event N; 0: all that are kept.")] = None,
    frames: Annotated[bool, typer.Option("--frames", help="Also what becomes of each frame of a faulty link.")] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Follow what the fault proxy does, until Ctrl-C.

    Examples:

    - `quorate chaos events`
    - `quorate chaos events --since 0 --frames --json`
    """
    from quorate.cluster.chaos.control import Control, control_address
    from quorate.cluster.cli.chaos_views import event_line

    address = control_address(cluster_of(context, data).record)

    async def follow() -> None:
        async with Control(address) as control:
            async for event in control.events(since):
                if frames or event.get("event") != "frame":
                    output.line(event_line(event, json=json))

    with suppress(KeyboardInterrupt):  # is how this ends: no error
        run(follow())


def add_to(app: typer.Typer) -> None:
    app.add_typer(chaos_app, name="chaos", rich_help_panel="Local cluster")
