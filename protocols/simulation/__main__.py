"""Run seeds: python -m quorate.protocols.simulation --engine raft --seeds 100 --first-seed 0.

A failing seed prints the invariant that broke and the one command that replays it. Only this file looks at a clock, to say
how fast it was.
"""

import argparse
import sys
from time import perf_counter

from quorate.protocols.simulation.campaign import EVENTS, Campaign, Result
from quorate.protocols.simulation.engines import ENGINES, load

# The end of a trace is where the violation is.
TRACE_LINES_SHOWN = 400


def replay_command(options: argparse.Namespace, seed: int) -> str:
    nodes = f" --nodes {options.nodes}" if options.nodes else ""
    steps = f" --steps {options.steps}{nodes}"
    return f"python -m quorate.protocols.simulation --engine {options.engine} --seeds 1 --first-seed {seed}{steps} --trace"


def report(options: argparse.Namespace, result: Result) -> None:
    write = sys.stdout.write
    if options.trace:
        shown = result.lines if options.whole_trace else result.lines[-TRACE_LINES_SHOWN:]
        if len(shown) < len(result.lines):
            write(f"... {len(result.lines) - len(shown)} earlier lines; --whole-trace shows them\n")
        write("\n".join(shown) + "\n")
    if result.violation is not None:
        write(f"seed {result.seed} broke after {result.events} events: {result.violation.invariant}\n  {result.violation.detail}\n")
        write(f"  replay: {replay_command(options, result.seed)}\n")
    elif options.trace:
        write(f"seed {result.seed} held: {result.events} events, fingerprint {result.fingerprint:016x}\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m quorate.protocols.simulation", description="Drive a consensus engine through seeded worlds."
    )
    parser.add_argument("--engine", choices=sorted(ENGINES), default="raft")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run (default: %(default)s)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--nodes", type=int, default=None, help="nodes to begin with (default: the seed chooses)")
    parser.add_argument("--steps", type=int, default=EVENTS, help="events of the safety phase (default: %(default)s)")
    parser.add_argument("--trace", action="store_true", help="print what happened, line by line")
    parser.add_argument("--whole-trace", action="store_true", help="with --trace: from the beginning, not only the end")
    options = parser.parse_args()
    engine = load(options.engine)
    events, failed, counts = 0, 0, dict[str, int]()
    began = perf_counter()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        result = Campaign(engine, seed, nodes=options.nodes, trace=options.trace).run(options.steps)
        report(options, result)
        events += result.events
        failed += result.violation is not None
        for name, count in result.counts.items():
            counts[name] = counts.get(name, 0) + count
    took = perf_counter() - began
    sys.stdout.write(", ".join(f"{name} {counts[name]}" for name in sorted(counts)) + "\n")
    sys.stdout.write(f"{options.seeds} seeds, {failed} failed; {events} events in {took:.1f} s, {events / took:,.0f} a second\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
