"""`quorate chaos`: what breaks a cluster on purpose."""

import typer

from quorate.cluster.cli import chaos_report, chaos_run

HELP = """Break a cluster on purpose, and see whether it keeps its word.

Examples:

- `quorate chaos scenarios`
- `quorate chaos run leader-kill-loop`
- `quorate chaos report run.json`
"""

chaos_app = typer.Typer(no_args_is_help=True, help=HELP, rich_markup_mode="markdown")
chaos_run.add_to(chaos_app)
chaos_report.add_to(chaos_app)


def add_to(app: typer.Typer) -> None:
    app.add_typer(chaos_app, name="chaos", rich_help_panel="Proof")
