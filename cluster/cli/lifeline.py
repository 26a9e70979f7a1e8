"""A process that must not outlive whoever started it: it ends when its standard input does."""

import os
import signal
import threading
import time

STOP_S = 20.0
"""A process that was told to stop and still runs after this is ended the hard way."""


def end_with_stdin() -> None:
    """Stop this process when standard input ends: whoever started it holds the other end, and is gone."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(STOP_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="ends with stdin", daemon=True).start()
