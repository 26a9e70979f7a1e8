"""A process that stands in for a node: it listens where its configuration says and tells a canned status.

Settings under [script] decide how it behaves: `exit` ends it at once with that code, `deaf` ignores SIGTERM.
"""

import os
import signal
import socketserver
import sys
import threading
import tomllib
from pathlib import Path

import msgpack

from quorate.cluster.cli.lifeline import end_with_stdin

SLICE_S = 0.02


def main() -> int:
    config = tomllib.loads(Path(sys.argv[1]).read_text("utf-8"))
    script = config.get("script", {})
    print(f'{{"timestamp": "2026-01-02T03:04:05.678Z", "level": "info", "event": "started", "node": "{config["node"]}"}}', flush=True)
    if "exit" in script:
        print("the disk is on fire", flush=True)
        return int(script["exit"])
    if len(sys.argv) > 2:
        end_with_stdin()
    if script.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    members = [
        {"name": name, "number": each["number"], "voter": True, "client_address": each["client"]}
        for name, each in config["members"].items()
    ]
    leads = config["node"] == "n1"
    group = {"role": "leader" if leads else "follower", "term": 3, "leader": "n1", "commit": 10, "applied": 9, "members": members}
    status = {"node": config["node"], "cluster": config["cluster"], "ready": True, "uptime_ms": 61_000, "groups": {"default": group}}

    class Answering(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            unpacker = msgpack.Unpacker()
            while data := self.request.recv(4096):
                unpacker.feed(data)
                for _, id, _method, _params in unpacker:
                    self.request.sendall(msgpack.packb([1, id, None, status]))

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    host, _, port = config["client"]["listen"].rpartition(":")
    with Server((host, int(port)), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ended = threading.Event()
        # In slices: a signal may reach another thread, and then does not wake this one, which runs the handlers.
        while not ended.wait(SLICE_S):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
