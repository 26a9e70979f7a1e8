"""The page, the table and the document: all figures, all verdicts, all reasons, and nothing from outside."""

import json
import re
from xml.etree import ElementTree

import pytest

from quorate.cluster.compare.claims import judge
from quorate.cluster.compare.document import document
from quorate.cluster.compare.figures import of
from quorate.cluster.compare.page import render
from quorate.cluster.compare.rows import SECTIONS, Results
from quorate.cluster.compare.table import text
from tests.cluster.compare.made import ENGINES, results

EVIL = '"><script>document.title = "owned"</script>'


def drawings(page: str) -> list[ElementTree.Element]:
    """Every drawing, parsed: it is well-formed."""
    return [ElementTree.fromstring(drawn) for drawn in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def texts(drawing: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in drawing.iter("{http://www.w3.org/2000/svg}text")]


def test_every_section_every_claim_and_every_engine_is_on_the_page() -> None:
    made = results()
    page = render(made)
    claims, silent = judge(made)

    assert all(f"<h2>{section.title}</h2>" in page for section in SECTIONS)
    assert len(claims) == page.count('<li><span class="badge')
    assert all(f'<th scope="col" class="number">{engine}</th>' in page for engine in ENGINES)
    assert [] == silent
    assert "Everything that this page can show was measured." in page


def test_every_drawing_is_well_formed_and_names_its_engines() -> None:
    drawn = drawings(render(results()))
    bars = [drawing for drawing in drawn if "raft" in texts(drawing)]

    assert 18 == len(drawn)
    assert 11 == len(bars)
    assert all(set(ENGINES) <= set(texts(drawing)) for drawing in bars)


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    page = render(results())

    assert "default-src &#39;none&#39;" in page
    assert "script-src &#39;sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=&#39;" in page  # of no script at all
    assert [] == re.findall(r"(?:src|href|url)\s*[=(]", page)
    assert ["http://www.w3.org/2000/svg"] == sorted(set(re.findall(r"https?://[^\"<\s]*", page)))
    assert "<script" not in page


def test_what_errors_say_is_shown_and_never_run() -> None:
    made = results(("raft",))
    made.missing.append((EVIL, EVIL))
    made.put("write.kinds", "raft", EVIL)

    assert "<script" not in render(made)
    assert 3 == render(made).count("&lt;script&gt;document.title")


@pytest.mark.parametrize("keep", ["write.", "election.silent", "live.rate", "live.gap", "cut.ring", "lag.5.0"])
def test_a_part_of_the_figures_makes_a_page_of_that_part(keep: str) -> None:
    made = results(("zab",))
    made.cells = {key: cells for key, cells in made.cells.items() if key.startswith(keep)}
    page = render(made)

    assert 1 == sum(f"<h2>{section.title}</h2>" in page for section in SECTIONS)
    assert "zab" in page
    assert "raft did not run" in page
    drawings(page)


def test_a_run_that_measured_nothing_says_so() -> None:
    made = Results(("raft",), missing=[("raft on live nodes", "its disk is full")])

    assert "its disk is full" in render(made)
    assert any("its disk is full" in line for line in text(made, 120))


def test_a_rate_or_a_latency_that_all_engines_share_is_drawn() -> None:
    made = results(("raft", "zab"))
    for key in made.cells:
        if key.startswith("live."):
            for engine in made.engines:
                made.put(key, engine, of([5.0]))

    drawings(render(made))


def test_the_table_aligns_its_numbers_and_shows_the_tail_of_what_chance_decides() -> None:
    made = results(("raft", "zab"))
    made.put("election.silent.5.ms", "raft", of(range(100, 200)))
    lines = list(text(made, 150))
    [line] = [line for line in lines if line.startswith("5 nodes, silence: until somebody leads")]

    assert "150 / 195" in line
    assert len(line) <= 150
    assert all(len(each) <= 150 for each in lines if not each.startswith(("the leader dies", "3 nodes", "5 nodes")))
    assert "Claims: " in "\n".join(lines)


def test_single_decree_paxos_has_a_column_only_where_it_has_a_part() -> None:
    lines = list(text(results(("raft",)), 150))
    heads = [line.split() for line in lines if line.split()[:1] == ["raft"]]

    assert ["raft", "paxos"] == heads[0]
    assert all(["raft"] == head for head in heads[1:])


def test_the_document_holds_all_samples_and_is_plain_json() -> None:
    made = results(("raft", "zab"))
    told = json.loads(json.dumps(document(made)))

    assert [float(value) for value in of(range(12)).samples] == [
        sample - told["rows"]["live.gap"]["engines"]["raft"]["samples"][0]
        for sample in told["rows"]["live.gap"]["engines"]["raft"]["samples"]
    ]
    assert set(made.cells) == set(told["rows"])
    assert len(told["claims"]) == len(judge(made)[0])
    assert {"what", "why"} == set(told["not_measured"][0])
