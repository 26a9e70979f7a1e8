"""A person who types `quorate`: real processes, real output and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from quorate.cluster.local import LocalCluster, NoLocalCluster

COMMAND = [sys.executable, "-m", "quorate.cluster.cli.main"]
RUN_S = 60.0


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Terminal:
    """A person in front of one local cluster."""

    def __init__(self, directory: Path, engine: str = "raft") -> None:
        self.directory = directory
        self.engine = engine
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
        self.environment["QUORATE_LOCAL"] = str(directory)

    def __call__(self, *words: str, typed: bytes = b"") -> Ran:
        done = subprocess.run([*COMMAND, *words], input=typed, capture_output=True, env=self.environment, timeout=RUN_S, check=False)
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def json(self, *words: str) -> object:
        ran = self(*words, "--json")
        assert 0 == ran.code, ran
        return json.loads(ran.out)

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)

    def up(self, *words: str) -> Ran:
        """The first start, and detached."""
        return self("up", "--detach", "--engine", self.engine, *words)

    def clean_up(self) -> None:
        try:
            LocalCluster.open(self.directory).kill()
        except NoLocalCluster:
            return
