"""`quorate sim`: what it prints, what it exits with, and that no worker is left behind however it ends."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quorate.cluster.cli import simulation, tally
from quorate.cluster.cli.seeds import Job, until
from quorate.cluster.crew import Crew, WorkerDied
from quorate.protocols.simulation.ablations import rows_of
from quorate.protocols.simulation.campaign import EVENTS
from quorate.protocols.simulation.case import Case
from quorate.protocols.simulation.coverage import PHASES, ROLES
from quorate.protocols.simulation.swarm import FAULTS
from tests.cluster.cli.conftest import Command
from tests.support.waiting import until as wait_until

SHORT = Job("raft", Case(0, 200))

ENDS_S = 60.0
"""Far more than an end takes."""


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def alive(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


# --- many seeds ---


def test_seeds_that_hold_are_summed_up(quorate: Command) -> None:
    ran = quorate("sim", "--seeds", "3", "--first-seed", "7", "--steps", "200", "--workers", "1")

    assert (0, "") == (ran.code, ran.err)
    assert re.search(r"^raft: 3 seeds from 7: all held; [\d,]+ events in [\d.]+ s, [\d,]+ a second$", ran.out, re.MULTILINE)
    assert re.search(r"^fault +hits +leader ", ran.out, re.MULTILINE)
    assert "Never reached: " in ran.out


def test_the_number_of_workers_changes_nothing_but_the_speed(quorate: Command) -> None:
    def told(workers: str) -> dict[str, object]:
        ran = quorate("sim", "--seeds", "7", "--steps", "300", "--workers", workers, "--json")
        assert (0, "") == (ran.code, ran.err)
        document = json.loads(ran.out)
        return {key: value for key, value in document.items() if key not in ("workers", "seconds", "events_per_s")}

    one = told("1")
    assert one == told("2") == told("3")
    assert (7, 0, []) == (one["seeds"], one["first_seed"], one["failures"])


def test_the_coverage_names_every_combination_and_how_often_it_was_reached(quorate: Command) -> None:
    document = json.loads(quorate("sim", "--seeds", "4", "--workers", "1", "--json").out)

    places = {(one["fault"], one["role"], one["phase"]): one["count"] for one in document["coverage"]}
    assert {(fault, role, phase) for fault in FAULTS for role in ROLES for phase in PHASES} == set(places)
    assert 0 < sum(places.values())
    assert document["counts"]["write done"] > 0


def test_a_cell_shows_the_phases_that_were_reached() -> None:
    letters = tally.marks()
    [_, head, *rows] = tally.coverage_lines({("crash", "leader", PHASES[0]): 2, ("crash", "leader", PHASES[-1]): 3})

    assert len(PHASES) == len(set(letters.values()))
    assert head.split() == ["fault", "hits", *ROLES]
    dots = "." * len(PHASES)
    assert rows[0].split() == ["crash", "5", f"{letters[PHASES[0]]}{dots[2:]}{letters[PHASES[-1]]}", *[dots] * (len(ROLES) - 1)]


def test_a_fresh_run_says_where_it_began(quorate: Command) -> None:
    document = json.loads(quorate("sim", "--fresh", "--seeds", "1", "--steps", "50", "--json").out)
    later = json.loads(quorate("sim", "--fresh", "--seeds", "1", "--steps", "50", "--json").out)

    assert 1_600_000_000_000 < document["first_seed"] < later["first_seed"]


def test_a_run_may_be_bounded_by_time(quorate: Command) -> None:
    ran = quorate("sim", "--for", "0.1", "--workers", "1", "--steps", "50", "--json")

    assert 0 == ran.code
    assert json.loads(ran.out)["seeds"] >= 1
    assert [5] == list(until(60, [5]))
    assert [] == list(until(-1, [5]))


# --- workers ---


def test_a_worker_that_dies_is_an_error_that_names_its_seed() -> None:
    with Crew(SHORT, 2) as crew:
        found = crew.run(range(100_000))
        next(found)
        victim = crew.processes[0]
        victim.kill()

        with pytest.raises(WorkerDied, match=r"the worker process that ran seed \d+ died \(exit code -9\)"):
            list(found)
    assert [] == [process for process in crew.processes if process.is_alive()]


def test_an_exception_in_a_worker_is_told_with_its_seed() -> None:
    with Crew(Job("raft", Case(0, None)), 1) as crew, pytest.raises(RuntimeError, match=r"broke on seed 4:\nTraceback"):
        list(crew.run([4]))


def start_many() -> "subprocess.Popen[str]":
    words = [sys.executable, "-m", "quorate.cluster.cli.main", "sim", "--seeds", "1000000", "--workers", "2", "--steps", "200"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def workers_of(command: "subprocess.Popen[str]") -> list[int]:
    """Its processes, once it has some: workers, and one that multiprocessing keeps for itself."""
    await wait_until(lambda: len(children(command.pid)) > 1, "workers run")
    return children(command.pid)


@pytest.mark.process
async def test_ctrl_c_ends_with_what_was_found_so_far_and_leaves_no_process() -> None:
    """At any moment: also while workers are still being started."""
    with start_many() as command:
        workers = await workers_of(command)
        # As a terminal does it: to every process.
        for pid in (*workers, command.pid):
            os.kill(pid, signal.SIGINT)
        out, err = command.communicate(timeout=ENDS_S)

    assert (130, "") == (command.returncode, err)
    assert re.search(r"^raft: [\d,]+ seeds? from 0, then interrupted: all held; ", out, re.MULTILINE), out
    await wait_until(lambda: not any(map(alive, workers)), "no process is left")


@pytest.mark.process
async def test_workers_end_when_whoever_started_them_is_killed() -> None:
    with start_many() as command:
        workers = await workers_of(command)
        command.kill()

    await wait_until(lambda: not any(map(alive, workers)), "no process is left")


# --- one seed ---


def test_one_seed_is_told_line_by_line(quorate: Command, tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    words = ("sim", "--seed", "7", "--steps", "800", "--nodes", "3", "--clients", "2")
    end = quorate(*words, "--trace", "--trace-file", str(file))
    whole = quorate(*words, "--whole-trace")

    assert (0, 0) == (end.code, whole.code)
    assert end.out.startswith("3 nodes, 2 clients, ")
    assert re.search(r"^\.\.\. [\d,]+ earlier lines; --whole-trace shows them$", end.out, re.MULTILINE)
    assert len(file.read_text().splitlines()) > 400
    assert file.read_text() in whole.out
    assert end.out.splitlines()[-1] == whole.out.splitlines()[-1]
    assert re.match(
        r"raft: seed 7 held: [\d,]+ events, \d+ strikes?, 3 nodes, 2 clients; fingerprint [0-9a-f]{16}$", whole.out.splitlines()[-1]
    )


def test_one_seed_for_machines(quorate: Command) -> None:
    document = json.loads(quorate("sim", "--seed", "3", "--nodes", "3", "--clients", "2", "--json", "--trace").out)

    assert ("raft", 3, 3, 2, None) == tuple(document[key] for key in ("engine", "seed", "nodes", "clients", "violation"))
    assert {"number", "at_ms", "fault", "hit"} == set(document["strikes"][0])
    assert "quorate sim --engine raft --seed 3 --nodes 3 --clients 2 --trace" == document["replay"]
    assert len(document["trace"]) > 1_000


def test_only_the_chosen_strikes_happen(quorate: Command) -> None:
    def strikes(*words: str) -> list[int]:
        return [strike["number"] for strike in json.loads(quorate("sim", "--seed", "3", "--json", *words).out)["strikes"]]

    every = strikes()
    assert len(every) > 3
    assert [] == strikes("--only", "none")
    assert every[1:3] == strikes("--only", f"{every[1]},{every[2]}")


def test_a_seed_that_holds_cannot_be_shrunk_and_that_is_no_failure(quorate: Command) -> None:
    ran = quorate("sim", "--seed", "3", "--steps", "100", "--shrink")

    assert 0 == ran.code
    assert "held" in ran.out
    assert "seed 3 holds: there was nothing to shrink" == ran.out.splitlines()[-1]


# --- a safeguard less ---

LACKING = ("sim", "--ablation", "AcksBeforeSync", "--steps", "3000")
"""Nearly every other seed misses it."""


def broken(quorate: Command, *words: str) -> dict[str, Any]:
    """The JSON of a run that found something."""
    ran = quorate(*LACKING, *words, "--json")
    assert (1, "") == (ran.code, ran.err)
    document: dict[str, Any] = json.loads(ran.out.splitlines()[-1])
    return document


def test_a_failure_is_replayed_by_the_command_that_it_prints(quorate: Command) -> None:
    found = broken(quorate, "--seeds", "8", "--workers", "1")["failures"]
    ran = quorate(*found[0]["replay"].split()[1:])

    assert 1 == ran.code
    assert (
        f"raft without AcksBeforeSync: seed {found[0]['seed']} broke after {found[0]['events']:,} events: {found[0]['invariant']}"
        in ran.out
    )
    assert f"  {found[0]['detail']}" in ran.out
    assert f"  replay: {found[0]['replay']}" in ran.out


def test_failures_stand_in_the_order_of_their_seeds_whoever_ran_them(quorate: Command) -> None:
    one, two = (broken(quorate, "--seeds", "8", "--workers", workers)["failures"] for workers in ("1", "2"))

    assert one == two
    assert len(one) > 1
    assert [failure["seed"] for failure in one] == sorted(failure["seed"] for failure in one)


def test_failures_are_told_with_their_replay_and_their_number(quorate: Command) -> None:
    ran = quorate(*LACKING, "--seeds", "60", "--workers", "2")

    assert 1 == ran.code
    assert tally.FAILURES_SHOWN == len(re.findall(r"^seed \d+ broke after [\d,]+ events: ", ran.out, re.MULTILINE))
    assert re.search(r"^\.\.\. and \d+ seeds? more; --json lists all$", ran.out, re.MULTILINE)
    assert re.search(r"^raft without AcksBeforeSync: 60 seeds from 0: \d+ broke; ", ran.out, re.MULTILINE)


def test_the_small_case_is_replayed_exactly_by_its_command(quorate: Command) -> None:
    found = broken(quorate, "--seeds", "8", "--workers", "1")["failures"]
    small = broken(quorate, "--seed", str(found[0]["seed"]), "--shrink")
    again = json.loads(quorate(*small["replay"].split()[1:], "--json").out)

    assert found[0]["invariant"] == small["violation"]["invariant"]
    assert small["events"] < small["shrunk_from"]["events"]
    assert len(small["strikes"]) <= len(small["shrunk_from"]["strikes"])
    assert [small[key] for key in ("fingerprint", "violation", "strikes")] == [
        again[key] for key in ("fingerprint", "violation", "strikes")
    ]


def test_many_seeds_with_shrink_make_the_first_failure_small(quorate: Command) -> None:
    ran = quorate(*LACKING, "--seeds", "8", "--workers", "2", "--shrink")
    first = re.search(r"^seed (\d+) broke", ran.out, re.MULTILINE)

    assert 1 == ran.code
    assert first
    assert re.search(rf"^seed {first[1]}: [\d,]+ events, \d+ strikes?, ", ran.out, re.MULTILINE)
    assert re.search(r"^shrunk in \d+ runs: .*; nothing can be left out$", ran.out, re.MULTILINE)


def test_the_table_of_ablations_names_what_missed_each(quorate: Command) -> None:
    """With one seed for each: those that it does not miss are told too, and make the answer no."""
    ran = quorate("sim", "--ablations", "--seeds", "1", "--json")
    rows = json.loads(ran.out)["rows"]

    assert [row.name for row in rows_of("raft")] == [row["name"] for row in rows]
    assert [1] * len(rows) == [row["seeds_tried"] for row in rows]
    missed = [row for row in rows if row["seed"] is not None]
    assert missed
    assert all(row["invariant"] and row["events"] for row in missed)
    assert (0 if len(missed) == len(rows) else 1) == ran.code


# --- usage ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "zeus"), "there is no engine 'zeus'; there are "),
        (("--seed", "1", "--seeds", "2"), "--seeds runs many seeds; --seed runs one"),
        (("--seed", "1", "--first-seed", "2"), "--first-seed runs many seeds"),
        (("--seed", "1", "--fresh"), "--fresh runs many seeds"),
        (("--seed", "1", "--for", "2"), "--for runs many seeds"),
        (("--seed", "1", "--workers", "2"), "--workers runs many seeds"),
        (("--trace",), "--trace is about one seed: name it with --seed"),
        (("--trace-file", "x"), "--trace-file is about one seed"),
        (("--only", "3"), "--only is about one seed"),
        (("--seed", "1", "--only", "0-999999999"), "no run has a strike of number 999999999; the largest that is taken is 1000000"),
        (("--seed", "1", "--only", "3-x"), "--only: numbers and ranges are written as 3,5-9, or none; not '3-x'"),
        (("--ablation", "Luck"), "there is no safeguard 'Luck' of raft to take out; there are "),
        (("--ablations", "--trace"), "--trace has no meaning for the table of --ablations"),
        (("--ablations", "--seed", "3"), "--seed has no meaning for the table of --ablations"),
        (("--fresh", "--first-seed", "3"), "--fresh chooses the first seed"),
        (("--seeds", "0"), "--seeds"),
        (("--seed", "1", "--trace-file", "/no/such/folder/t", "--steps", "10"), "cannot be written to /no/such/folder/t: No such file"),
    ],
)
def test_what_makes_no_sense_is_refused_and_says_why(quorate: Command, words: tuple[str, ...], said: str) -> None:
    ran = quorate("sim", *words)

    assert 2 == ran.code
    assert said in ran.err


def test_the_default_number_of_steps_is_the_simulators() -> None:
    """Written twice, because the command's help must not import the simulator."""
    assert EVENTS == simulation.STEPS


def test_help_says_what_the_exit_codes_mean(quorate: Command) -> None:
    assert "0 all held, 1 an invariant was broken, 2 usage" in " ".join(quorate("sim", "--help").out.split())
