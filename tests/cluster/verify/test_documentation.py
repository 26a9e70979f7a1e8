"""docs/histories.md is true: its commands print what it shows, its programs run, its models and functions are those that there are.

`QUORATE_REWRITE=1` puts what the commands print into the page; read it as you would review code.
"""

import io
import os
import re
import shlex
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from quorate.cluster.cli.main import main
from quorate.cluster.verify.checks import CHECKS
from quorate.cluster.verify.files import read_stream
from quorate.cluster.verify.models import MODELS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "histories.md"
BLOCK = re.compile(r"```(?P<language>\w+)\n(?P<body>.*?)```\n", re.DOTALL)
SECONDS = re.compile(r'(\bseconds"?:?) [\d.e-]+')


def settled(text: str) -> str:
    """Without what differs from run to run."""
    return SECONDS.sub(r"\1 0", text)


class Shell:
    """Runs the page's commands in this process, in a folder that looks like the checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = 0
        (folder / "docs").symlink_to(ROOT / "docs")

    def run(self, command: str) -> str:
        match shlex.split(command):
            case ["quorate", *words]:
                return self._said(lambda: main(words))
            case ["python", file]:
                return self._said(lambda: exec(compile((self.folder / file).read_text(), file, "exec"), {"__name__": "__main__"}) or 0)
            case ["echo", "$?"]:
                return f"{self.code}\n"
        raise AssertionError(f"the page may not use {command!r}: this test does not know how to run it")

    def _said(self, act: Callable[[], int]) -> str:
        said = io.StringIO()
        with chdir(self.folder), redirect_stdout(said), redirect_stderr(said):
            self.code = act()
        return "".join(f"{line.rstrip()}\n" for line in said.getvalue().splitlines())


def ran(body: str, shell: Shell) -> str:
    """The block with what its commands print now."""
    commands = re.findall(r"^\$ (.*)\n", body, re.MULTILINE)
    return "".join(f"$ {command}\n{shell.run(command)}" for command in commands)


def test_the_commands_and_programs_of_the_page_do_what_it_shows(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    text = PAGE.read_text("utf-8")
    now = text
    for block in BLOCK.finditer(text):
        body = block["body"]
        if block["language"] == "python":
            (tmp_path / body.partition("\n")[0].removeprefix("# ")).write_text(body, "utf-8")
        elif block["language"] == "console":
            now = now.replace(body, ran(body, shell))
    if os.environ.get("QUORATE_REWRITE"):
        PAGE.write_text(settled(now), "utf-8")

    assert settled(text) == settled(now)
    assert (tmp_path / "report.html").exists()


def test_the_example_of_the_format_is_a_history() -> None:
    [block] = [block["body"] for block in BLOCK.finditer(PAGE.read_text("utf-8")) if block["language"] == "json"]

    history = read_stream(io.BytesIO(block.encode()), "the page")
    assert ("register", 7, 0) == tuple(history.facts[name] for name in ("model", "seed", "initial"))
    assert 2 == len(history.operations)


def test_every_model_function_and_level_stands_in_the_page() -> None:
    text = PAGE.read_text("utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*)", text, re.MULTILINE))

    assert set(CHECKS) <= set(rows)
    for name, model in MODELS.items():
        # `cas` says "also": it has what the register has.
        described = rows[name] + (rows["register"] if name == "cas" else "")
        assert all(f"`{function}`" in described for function in model.functions), name
    for check in CHECKS.values():
        assert all(f"`{level}`" in text for level in check.levels)
