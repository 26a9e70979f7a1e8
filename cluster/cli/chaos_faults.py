"""A command for each fault of the vocabulary: `quorate chaos VERB ...`.

The rule: what follows the verb is read by the vocabulary alone, so that a command, a scenario and an error say the same.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_command_from_info
from typer.models import CommandInfo

from quorate.cluster.chaos import units
from quorate.cluster.chaos.vocabulary import SYNONYMS, VERBS, Fault, OnLinks, parse, usage
from quorate.cluster.cli import output
from quorate.cluster.cli.chaos import cluster_of, run
from quorate.cluster.cli.options import DataOption, JsonOption
from quorate.cluster.cli.output import Json

if TYPE_CHECKING:
    from typer._click import Command

    from quorate.cluster.chaos.acts import Acts
    from quorate.cluster.chaos.ongoing import Ongoing
    from quorate.cluster.local import LocalCluster

TTL = "30s"
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Beside Ctrl-C: a fault that is held is ended first."""


@cache
def command(word: str) -> "Command | None":
    """The command of a verb, or of another word for it; None if it is none."""
    verb = SYNONYMS.get(word.replace("_", "-"), word.replace("_", "-"))
    if verb not in VERBS:
        return None

    def fault(
        context: typer.Context,
        words: Annotated[list[str] | None, typer.Argument(metavar="WORD", help=f"Written: {usage(verb)}", show_default=False)] = None,
        ttl: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 500ms, 10s, 5m; at most 1h.")] = TTL,
        seed: Annotated[int, typer.Option("--seed", min=0, help="Of its dice: which frames, who is `random`.")] = 0,
        hold: Annotated[bool, typer.Option("--hold", help="Stay until it ends, and say what it touched.")] = False,
        data: DataOption = None,
        json: JsonOption = False,
    ) -> None:
        ttl_s, said = units.ttl_s("--for", ttl), parse([verb, *(words or [])])
        run(_let_loose(cluster_of(context, data), said, ttl_s, seed, hold=hold, json=json))

    # -h is not taken: clock n3 -1h.
    settings = {"ignore_unknown_options": True, "help_option_names": ["--help"], "max_content_width": 120}
    short = _doc(verb).partition(". ")[0].rstrip(".")
    info = CommandInfo(verb, callback=fault, help=_help(verb), short_help=f"{short}.", context_settings=settings)
    return get_command_from_info(info, pretty_exceptions_short=True, rich_markup_mode="markdown")


def _doc(verb: str) -> str:
    doc = type(parse(VERBS[verb].example)).__doc__ or ""
    return " ".join(doc.split())


def _help(verb: str) -> str:
    fault = parse(VERBS[verb].example)
    words = [_doc(verb), f"Written: `{usage(verb)}`"]
    if isinstance(fault, OnLinks):
        words.append("Needs the fault proxy: `quorate up --proxy`. Several faults of the same links at once: with + in between.")
    elif not fault.ends_itself:
        words.append("Stays in the foreground until its time is over and ends it then; Ctrl-C ends it at once.")
    quoted = VERBS[verb].example.replace(">", ":")
    words.append(f"Examples:\n\n- `quorate chaos {quoted}`\n- `quorate chaos {quoted} --for 5s`")
    return "\n\n".join(words)


async def _let_loose(cluster: "LocalCluster", fault: Fault, ttl_s: float, seed: int, *, hold: bool, json: bool) -> None:
    from quorate.cluster.chaos.acts import Acts

    async with Acts(cluster) as acts, _signals_cancel():
        ongoing = await acts.begin(fault, ttl_s=ttl_s, seed=seed)
        is_over = ongoing.ended_ns is not None
        if not is_over and (hold or not ongoing.ends_itself):
            await _hold(acts, ongoing, json=json)
            is_over = True
    if json:
        output.document(_as_json(ongoing))
    elif is_over:
        for line in _told(ongoing):
            output.line(line)
    else:
        output.line(_began(ongoing))


async def _hold(acts: "Acts", ongoing: "Ongoing", *, json: bool) -> None:
    """Until its time is over, or somebody has enough of it."""
    try:
        if not json:
            output.line(f"{ongoing.text}: for {units.say_ms(ongoing.ttl_s * 1000)}; Ctrl-C ends it at once.")
        await asyncio.sleep(ongoing.ttl_s)
    except asyncio.CancelledError:
        pass  # an early end is no error
    finally:
        await acts.end(ongoing)


@asynccontextmanager
async def _signals_cancel() -> AsyncIterator[None]:
    """A closed terminal, and `kill`, end the command as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in ENDING:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)


def _began(ongoing: "Ongoing") -> str:
    words = f"{ongoing.text}: for {units.say_ms(ongoing.ttl_s * 1000)}"
    if isinstance(ongoing.fault, OnLinks):
        words += f", on {', '.join(ongoing.links)}. `quorate chaos heal {ongoing.id}` ends it."
        for id, links in ongoing.took_over.items():
            words += f" On {', '.join(links)} it rules in place of {id}, which rules again afterwards if it still lives."
        return words
    return f"{words}; the node ends it itself, and `quorate chaos heal` everything."


def _told(ongoing: "Ongoing") -> list[str]:
    touched = ", ".join(f"{what} {count:,}" for what, count in ongoing.touched.items()) or "nothing"
    return [f"{ongoing.text}: over. Touched: {touched}.", *ongoing.notes]


def _as_json(ongoing: "Ongoing") -> dict[str, Json]:
    return {
        "id": ongoing.id,
        "fault": str(ongoing.fault),
        "nodes": list(ongoing.nodes),
        "links": list(ongoing.links),
        "ttl_s": ongoing.ttl_s,
        "seed": ongoing.seed,
        "took_over": {id: list(links) for id, links in ongoing.took_over.items()},
        "ended": ongoing.ended_ns is not None,
        "touched": dict(ongoing.touched),
        "notes": list(ongoing.notes),
    }
