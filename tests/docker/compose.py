"""One run of a compose file under a project name, an image tag and ports of its own, so that runs never collide."""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).parent.parent.parent
NODES = ("n1", "n2", "n3")
HEALTHY_S = 90.0
"""Two cores shared with a whole test run; a quiet machine needs five seconds."""
POLL_S = 0.25


def compose_command() -> list[str] | None:
    """Compose v2 or 1.29, whichever is here."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        return [docker, "compose"]
    compose = shutil.which("docker-compose")
    return [compose] if compose else None


def missing() -> str:
    """What keeps this machine from running containers, or an empty string."""
    if not shutil.which("docker"):
        return "no docker command"
    if subprocess.run(["docker", "info"], capture_output=True).returncode:
        return "no Docker engine answers"
    return "" if compose_command() else "neither `docker compose` nor docker-compose"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that were free a moment ago, each once."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def inspect_state(container: str) -> dict[str, object]:
    """What Docker tells of a container; empty if there is none."""
    done = subprocess.run(["docker", "inspect", container], capture_output=True, text=True)
    state: dict[str, object] = json.loads(done.stdout)[0]["State"] if done.returncode == 0 else {}
    return state


def exit_code(container: str) -> object:
    return inspect_state(container).get("ExitCode")


class Compose:
    """The three nodes; `destroy` leaves neither container nor volume nor image behind, whatever happened before."""

    def __init__(self, file: str = "docker-compose.yml", services: tuple[str, ...] = NODES) -> None:
        self.project = f"quorate-test-{uuid4().hex[:8]}"
        self.services = services
        *ports, self.control = free_ports(len(NODES) + 1)
        self.ports = dict(zip(NODES, ports, strict=True))
        command = compose_command()
        assert command is not None
        self._command = [*command, "--project-name", self.project, "--file", str(ROOT / file)]
        self._image = f"{self.project}:local"
        self._environment = os.environ | {f"QUORATE_PORT_{name[1:]}": str(port) for name, port in self.ports.items()}
        self._environment |= {"QUORATE_IMAGE": self._image, "QUORATE_CONTROL": str(self.control)}

    @property
    def endpoints(self) -> list[str]:
        """Where the host reaches the nodes."""
        return [f"127.0.0.1:{port}" for port in self.ports.values()]

    def run(self, *arguments: str, timeout_s: float = 180.0) -> str:
        """One compose command that must succeed."""
        done = subprocess.run([*self._command, *arguments], env=self._environment, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, f"compose {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def container(self, name: str) -> str:
        """Its id, or an empty string. Asked of the engine: Compose 1.29 needs a second for the same answer."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={name}"]
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        return subprocess.run(["docker", "ps", "--all", "--quiet", *filters], capture_output=True, text=True, check=True).stdout.strip()

    def health(self, name: str) -> str:
        """Docker's word for one node: starting, healthy, unhealthy; or gone."""
        container = self.container(name)
        match inspect_state(container) if container else {}:
            case {"Running": True, "Health": {"Status": str(word)}}:
                return word
        return "gone"

    def wait_healthy(self, *names: str) -> None:
        """Until all of them (all services, where none is named) are healthy; fails with their logs."""
        deadline = time.monotonic() + HEALTHY_S
        waiting = set(names or self.services)
        while waiting := {name for name in waiting if self.health(name) != "healthy"}:
            assert time.monotonic() < deadline, f"not healthy: {sorted(waiting)}\n{self.run('logs', '--tail', '40')}"
            time.sleep(POLL_S)

    def up(self) -> None:
        self.run("up", "--detach", "--no-build")
        self.wait_healthy()

    def build(self) -> None:
        self.run("build", timeout_s=600)

    def kill(self, name: str) -> None:
        """SIGKILL to the node, as a crash of its machine's process would."""
        subprocess.run(["docker", "kill", self.container(name)], check=True, capture_output=True)

    def destroy(self) -> None:
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "5")
        subprocess.run(["docker", "image", "rm", "--force", self._image], capture_output=True)
