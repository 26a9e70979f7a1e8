"""The README's Docker block, word for word, on the ports that it names."""

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from tests.docker.compose import missing

ROOT = Path(__file__).parent.parent.parent
BLOCK_S = 300
"""Building the image where nothing is cached takes a minute."""

reason = missing() or ("" if which("docker-compose") else "the README's docker-compose is not here, only its successor")
pytestmark = [pytest.mark.docker, pytest.mark.skipif(bool(reason), reason=f"docker: {reason}")]


def test_the_docker_commands_of_the_readme_do_what_it_says() -> None:
    found = re.search(r"### With Docker\n+```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["COMPOSE_PROJECT_NAME"] = f"readme{secrets.token_hex(4)}"
    try:
        done = subprocess.run(
            ["bash", "-e", "-c", found[1]], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=BLOCK_S, check=False
        )
    finally:
        subprocess.run(
            ["docker-compose", "down", "--volumes"], cwd=ROOT, env=environment, capture_output=True, check=False, timeout=BLOCK_S
        )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert ["revision 1", "hello"] == [line for line in done.stdout.splitlines() if line in ("revision 1", "hello")]
