"""`quorate node`: one node in this process, configured by a file, the environment and flags."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from quorate.cluster.cli.exits import Answer, UsageError
from quorate.cluster.cli.lifeline import end_with_stdin

SETTING_PARTS_MAX = 8


def add_to(app: typer.Typer) -> None:
    app.command("node", rich_help_panel="Nodes")(node)


def node(
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML. Without it: environment and flags alone.")] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="DIR", help="Where the node keeps its data.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting, as `timing.lease_ms=200`. Repeatable.")
    ] = None,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Run one node in this process.

    It runs until SIGTERM or Ctrl-C; then it hands over leadership, flushes and exits with 0. Settings come from the file, then
    QUORATE_* of the environment (QUORATE_TIMING__LEASE_MS=200), then flags; the later wins.

    Examples:

    - `quorate node --config /etc/quorate/n1.toml`
    - `quorate node --config n1.toml --set timing.lease_ms=200 --set logging.level=debug --data /var/lib/quorate`
    """
    if until_stdin_closes:
        end_with_stdin()
    flags = dict(parse_settings(settings or []))
    if data:
        flags["data"] = data
    from quorate.cluster.runtime.config import load

    loaded = load(config, flags)
    from quorate.cluster.runtime.node import run

    raise Answer(run(loaded))


def parse_settings(settings: list[str]) -> Mapping[str, object]:
    """["timing.lease_ms=200"] as {"timing": {"lease_ms": 200}}. Values are read as in a configuration file; what is none is text."""
    result: dict[str, object] = {}
    for setting in settings:
        name, separator, text = setting.partition("=")
        parts = name.strip().split(".")
        if not separator or not all(parts) or len(parts) > SETTING_PARTS_MAX:
            raise UsageError(f"--set takes NAME=VALUE, for instance timing.lease_ms=200, not {setting!r}")
        section = result
        for part in parts[:-1]:
            below = section.setdefault(part, {})
            if not isinstance(below, dict):
                raise UsageError(f"--set {name}: {part} has a value already")
            section = below
        section[parts[-1]] = _value(text.strip())
    return result


def _value(text: str) -> object:
    import tomllib

    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, (str, int, float, bool, list, dict)) else text
