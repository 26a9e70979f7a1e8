"""What a start costs, and what Ctrl-C does to it. Each in a process of its own: imports happen once."""

import ast
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import quorate

GET = ("-m", "quorate.cluster.cli.main", "get", "k", "--endpoints", "127.0.0.1:1", "--timeout", "0.01")
HEAVY = ("aiohttp", "rich", "uvloop", "structlog", "prometheus_client", "pydantic_settings", "sortedcontainers", "xxhash", "unittest")
"""What `quorate get` must not pay for. (typer brings pydantic.)"""

ENDS_S = 30.0
"""Far more than an end takes; a hang fails here and not after the command's own timeout."""


def run(*words: str, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": str(path)} if path else None
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)


def test_a_simple_command_imports_nothing_that_it_does_not_need() -> None:
    done = run("-X", "importtime", *GET)

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert {"asyncio", "quorate.cluster.client.client"} <= imported
    assert set() == imported.intersection(HEAVY)
    assert set() == {name for name in imported if name.startswith(("quorate.cluster.storage", "quorate.protocols.raft"))}


def test_the_package_imports_what_stands_behind_a_name_when_it_is_used() -> None:
    done = run("-c", "import sys, quorate; print('asyncio' in sys.modules, callable(quorate.connect), 'asyncio' in sys.modules)")

    assert ("False True True\n", "") == (done.stdout, done.stderr)


def test_every_public_name_leads_to_what_type_checkers_see() -> None:
    from importlib import import_module

    tree = ast.parse(Path(str(quorate.__file__)).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)]
    declared = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names:
            behind = import_module(node.module)
            module = f"{node.module}.{alias.name}" if alias.asname else ""
            declared[alias.asname or alias.name] = import_module(module) if module else getattr(behind, alias.name)

    assert sorted(declared) == sorted(quorate.__all__)
    assert declared == {name: getattr(quorate, name) for name in quorate.__all__}
    assert set(quorate.__all__) <= set(dir(quorate))
    assert not hasattr(quorate, "Cliient")


def interrupt_in(module: str, directory: Path) -> None:
    """Put a module before the real one: in the middle of its import Ctrl-C is pressed; then the real one is imported."""
    text = f"""import os, signal, sys
os.kill(os.getpid(), signal.SIGINT)
sys.path.remove({str(directory)!r})
del sys.modules[{module!r}]
import {module}
"""
    (directory / f"{module}.py").write_text(text)


@pytest.mark.parametrize("module", ["typer", "msgpack"])
def test_ctrl_c_while_the_command_or_the_client_is_imported_ends_it_quietly(tmp_path: Path, module: str) -> None:
    interrupt_in(module, tmp_path)

    done = run(*GET, path=tmp_path)

    assert (130, "", "") == (done.returncode, done.stdout, done.stderr.strip())


def test_ctrl_c_while_the_client_looks_for_a_node_ends_it_quietly() -> None:
    """The node accepts the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"127.0.0.1:{server.getsockname()[1]}"
        words = [sys.executable, "-m", "quorate.cluster.cli.main", "get", "k", "--endpoints", endpoint, "--timeout", "60"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command, server.accept()[0]:
            command.send_signal(signal.SIGINT)
            out, err = command.communicate(timeout=ENDS_S)

    assert (130, "", "") == (command.returncode, out, err)
