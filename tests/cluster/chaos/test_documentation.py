"""docs/chaos.md and the vocabulary say the same."""

import re
from pathlib import Path

import pytest

from quorate.cluster.chaos.vocabulary import VERBS, checked, parse

DOCUMENT = Path(__file__).parents[3] / "docs" / "chaos.md"
PLACEHOLDERS = {"NODE": "n1", "TYPE": "Append", "N": "2"}
NAMES = ("n1", "n2", "n3")


def table() -> list[str]:
    """The faults of the table, as they are written there."""
    rows = re.findall(r"^\| (`.*?) \| ", DOCUMENT.read_text("utf-8").partition("### Words")[2], re.MULTILINE)
    return [fault for row in rows for fault in re.findall(r"`(.+?)`", row)]


@pytest.mark.parametrize("text", table())
def test_every_fault_of_the_table_is_one(text: str) -> None:
    """What stands in brackets may be left out, and may stand."""
    for said in (re.sub(r"\[.*?\]", "", text), re.sub(r"[\[\]]", "", text)):
        checked(parse(" ".join(PLACEHOLDERS.get(word, word) for word in said.split())), NAMES)


def test_every_fault_stands_in_the_table() -> None:
    assert set(VERBS) == {text.split()[0] for text in table()}


@pytest.mark.parametrize("command", re.findall(r"^quorate chaos (.+?)(?:  +#.*)?$", DOCUMENT.read_text("utf-8"), re.MULTILINE))
def test_every_command_is_one(command: str) -> None:
    verb = command.split()[0]
    if verb in VERBS:
        checked(parse(re.sub(r" --for \S+", "", command)), NAMES)
    else:
        assert verb in ("run", "scenarios", "report", "heal", "status", "events")
