"""The `quorate` command's way in. It imports nothing heavy itself, so that Ctrl-C while the rest is imported ends it quietly."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quorate.cluster.cli.surroundings import Surroundings

INTERRUPTED = 130
"""As in exits, which is not imported yet where this is needed."""


def main(arguments: Sequence[str] | None = None, *, surroundings: "Surroundings | None" = None) -> int:
    """Run one command; its exit code."""
    # Whoever closed these (`>&-`) wants to hear nothing, and not a traceback.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    try:
        from quorate.cluster.cli.application import run

        return run(list(sys.argv[1:] if arguments is None else arguments), surroundings)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
