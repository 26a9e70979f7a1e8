"""The `quorate` command's application: its sub-commands put together, its errors put into words and exit codes (see exits).

The rule: a start costs what the sub-command needs and no more: the modules imported here are light, everything heavy (the event loop,
the client, the configuration) is imported by the command that uses it.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Annotated

import typer

from quorate.cluster.cli import (
    bench,
    chaos,
    compare,
    keys,
    leases,
    logs,
    members,
    nodes,
    overview,
    proxy,
    running,
    simulation,
    steering,
    transactions,
    verification,
    watching,
)
from quorate.cluster.cli.exits import Answer, Exit, exit_code, explain
from quorate.cluster.cli.output import complain
from quorate.cluster.cli.surroundings import Hinted, Surroundings
from quorate.cluster.wire.errors import QuorateError

PLUGINS = "quorate.commands"
"""Entry points that add sub-commands: each is a typer.Typer, or a function that is given this app."""

app = typer.Typer(
    name="quorate",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Exit codes: 0 yes, 1 no (no such key, not swapped), 2 usage, 3 unavailable, 4 uncertain, 5 refused. `verify` and `chaos run` "
    "have their own.",
)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"quorate {version('quorate')}")
        raise typer.Exit


@app.callback()
def quorate(
    context: typer.Context,
    endpoints: Annotated[str | None, typer.Option("--endpoints", "-e", metavar="HOST:PORT,...", help="As after the sub-command.")] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", metavar="DIR", help="As after the sub-command.")] = None,
    group: Annotated[
        str | None, typer.Option("--group", "-g", metavar="NAME", help="Which group of the cluster. Default: $QUORATE_GROUP, else default.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """A cluster that keeps its word: replicated, linearizable coordination.

    Try it: `quorate up` in one terminal; `quorate put greeting hello`, `quorate get greeting`, `quorate status` in another.
    """
    if not isinstance(context.obj, Surroundings):
        context.obj = Surroundings()
    context.obj.endpoints, context.obj.data, context.obj.named_group = endpoints, data, group


for part in (
    running,
    steering,
    overview,
    logs,
    nodes,
    keys,
    transactions,
    watching,
    leases,
    members,
    bench,
    proxy,
    chaos,
    simulation,
    compare,
    verification,
):
    part.add_to(app)


def run(words: Sequence[str], surroundings: Surroundings | None = None) -> int:
    """Run one command; its exit code. Ctrl-C passes: main answers it."""
    if _wants_plugins(words):
        _add_plugins()
    try:
        # Typer ends a finished command, a usage error and --help alike with SystemExit.
        app(args=words, prog_name="quorate", obj=surroundings or Surroundings())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else Exit.OK
    except Answer as answer:
        return answer.code
    except Hinted as hinted:
        complain(explain(hinted.error, hinted.hint))
        return exit_code(hinted.error)
    except QuorateError as error:
        complain(explain(error))
        return exit_code(error)
    except BrokenPipeError:
        # Whoever read our output has enough (`quorate range | head`). Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception:
        traceback.print_exc()
        complain("This is a mistake in quorate, not yours: please report it with the lines above.")
        return Exit.BUG

    return Exit.OK


def _wants_plugins(words: Sequence[str]) -> bool:
    """Looking for entry points costs a person's patience: only when no command of ours is named."""
    command = next((word for word in words if not word.startswith("-")), "")
    ours = {info.name for info in app.registered_commands} | {info.name for info in app.registered_groups}
    return command not in ours or "_QUORATE_COMPLETE" in os.environ


@cache
def _add_plugins() -> None:
    from importlib.metadata import entry_points

    for point in entry_points(group=PLUGINS):
        loaded = point.load()
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=point.name)
        else:
            loaded(app)
