"""The results for machines: plain JSON values under names that stay. Of a simulated run only `facts` depends on when and where."""

from collections.abc import Mapping, Sequence

from quorate.cluster.compare.claims import judge
from quorate.cluster.compare.figures import Cell, Figure
from quorate.cluster.compare.rows import Results

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def document(results: Results) -> dict[str, Json]:
    """Everything that the page shows, and all samples."""
    claims, silent = judge(results)
    return {
        "facts": dict(results.facts),
        "engines": list(results.engines),
        "rows": {
            row.key: {
                "words": row.words,
                "unit": row.unit,
                "engines": {name: _cell(cell) for name in results.columns() if (cell := results.get(row.key, name)) is not None},
            }
            for _, rows in results.sections()
            for row in rows
        },
        "claims": [{"note": one.note, "case": one.case, "verdict": one.verdict.value, "evidence": one.evidence} for one in claims],
        "not_measured": [{"what": what, "why": why} for what, why in (*results.missing, *silent)],
    }


def _cell(cell: Cell) -> Json:
    if isinstance(cell, Figure):
        low, high = cell.interval
        return {
            "median": round(cell.median, 6),
            "median_from": round(low, 6),
            "median_to": round(high, 6),
            "exact": cell.exact,
            "samples": [round(sample, 6) for sample in cell.samples],
        }
    return cell
