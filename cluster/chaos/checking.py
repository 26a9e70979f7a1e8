"""The checkers, each in a process of its own: its memory and time are bounded from outside, and a run's clients wait for nobody.

The rule: a checker that does not come back with a verdict is UNKNOWN, with the reason.
"""

import asyncio
import json
import sys
from pathlib import Path

from quorate.cluster.verify.checks import check
from quorate.cluster.verify.files import read
from quorate.cluster.verify.report import document, reading
from quorate.cluster.verify.verdict import Answer, Budget, Verdict

MODELS = ("kv", "session")
"""One searches for an order of everything; the other looks for lost, doubled and phantom writes one by one, and needs no search."""
GRACE_S = 20.0
"""To start, read the history and print the verdict, beside the budget of the search itself."""


async def checked(history: Path, budget: Budget) -> tuple[Verdict, ...]:
    """What each checker says of the history. One after another: beside a cluster they would starve it, and each other."""
    return tuple([await _check(history, model, budget) for model in MODELS])


async def _check(history: Path, model: str, budget: Budget) -> Verdict:
    command = [sys.executable, "-m", __name__, str(history), model, str(budget.seconds), str(budget.states_max)]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(budget.seconds + GRACE_S):
            told, problem = await child.communicate()
        return reading.verdict(json.loads(told))
    except TimeoutError:
        return Verdict(model, Answer.UNKNOWN, f"the checker did not end within {budget.seconds + GRACE_S:g} s")
    except ValueError:
        last = problem.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return Verdict(model, Answer.UNKNOWN, f"the checker ended with {child.returncode} and no verdict: {last[:300]}")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def _main(history: str, model: str, seconds: str, states_max: str) -> None:
    verdict = check(read(history), model, Budget(float(seconds), int(states_max)))
    print(json.dumps(document.told(verdict)), flush=True)  # noqa: T201  # this process speaks with its parent so


if __name__ == "__main__":
    _main(*sys.argv[1:])
