"""What a consistent service answers in a minority and in a majority (the C and the P of Brewer's CAP).

The leader is cut off from the other nodes. A client that reaches it alone, and one that reaches the others alone, ask the same things:

    ASKED                 IN THE MAJORITY (n2, n3)  IN THE MINORITY (n1)
    write                 done                      no answer: Unavailable
    linearizable read     "new"                     no answer: NotLeader
    local read            "new"                     "old", which is out of date

Who is cut off gives no answer rather than a wrong one, unless one asks for what it has, out of date or not: a local read.
Exit code: 0 as above, and linearizable; 1 the minority wrote, or answered a linearizable read; 2 unknown.
"""

import argparse
from dataclasses import replace

from laboratory import Laboratory, run, table

from quorate import Client, QuorateError
from quorate.cluster.chaos.vocabulary import parse
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.verify.recorded_client import RecordedClient
from quorate.cluster.verify.verdict import Answer, Verdict

KEY, PATIENCE_S = "who-was-here", 3.0


async def cap(lab: Laboratory, options: argparse.Namespace) -> Verdict:
    old_leader = await lab.leader()
    others = [name for name in lab.cluster.names if name != old_leader]
    async with Client(lab.cluster.endpoints) as anywhere:
        await RecordedClient(anywhere, lab.recorder).put(lab.keys + KEY, "old")
    # Reached before the cut: a client has to know its node.
    async with side(lab, *others) as majority, side(lab, old_leader) as minority:
        fault = await lab.acts.begin(parse(f"isolate {old_leader}"), ttl_s=60)
        await lab.leader(other_than=old_leader)
        inside = await asked(lab, majority)
        outside = await asked(lab, minority)
        await lab.acts.end(fault)
        healed = await read(lab, minority, Consistency.LINEARIZABLE)
    rows = [(what, inside[what], outside[what]) for what in inside]
    table(("ASKED", f"IN THE MAJORITY ({', '.join(others)})", f"IN THE MINORITY ({old_leader})"), rows)
    print(f"After the cut {old_leader} answers a linearizable read with {healed}.")
    return judged(lab.verdict(), inside, outside)


def side(lab: Laboratory, *names: str) -> Client:
    """A client that reaches these nodes and no other."""
    return Client(lab.address(*names), only_given=True, spread_reads=True, timeout=PATIENCE_S)


async def asked(lab: Laboratory, client: Client) -> dict[str, str]:
    return {
        "write": await write(lab, client),
        "linearizable read": await read(lab, client, Consistency.LINEARIZABLE),
        "local read": await read(lab, client, Consistency.LOCAL),
    }


async def write(lab: Laboratory, client: Client) -> str:
    try:
        await RecordedClient(client, lab.recorder).put(lab.keys + KEY, "new")
    except QuorateError as error:
        return f"no answer: {error.code}"
    return "done"


async def read(lab: Laboratory, client: Client, consistency: Consistency) -> str:
    """Only linearizable reads are written down: no other promises what the checker looks for."""
    asking = RecordedClient(client, lab.recorder) if consistency is Consistency.LINEARIZABLE else client
    try:
        found = await asking.get(lab.keys + KEY, consistency=consistency)
    except QuorateError as error:
        return f"no answer: {error.code}"
    value = "nothing" if found is None else f'"{found.value.decode()}"'
    return f"{value}, which is out of date" if value == '"old"' else value


def judged(verdict: Verdict, inside: dict[str, str], outside: dict[str, str]) -> Verdict:
    wrong = [what for what in ("write", "linearizable read") if not outside[what].startswith("no answer")]
    if wrong:
        return replace(verdict, answer=Answer.INVALID, reason=f"The minority answered: {', '.join(wrong)}.")
    if verdict.answer is Answer.VALID and (inside["write"], inside["linearizable read"]) != ("done", '"new"'):
        return replace(verdict, answer=Answer.UNKNOWN, reason="The majority did not answer, so this shows nothing.")
    return verdict


if __name__ == "__main__":
    run(__doc__, cap)
