"""The rows of a run, and what is asked of them."""

from statistics import median

from benchmarks.cluster import Row


class Results:
    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def rows(self, **fields: object) -> list[Row]:
        """The rows with these fields."""
        return [row for row in self._rows if all(row.get(name) == value for name, value in fields.items())]

    def systems(self, op: str) -> list[str]:
        """The systems with results, Quorate first, otherwise in the order in which they were started."""
        found = list(dict.fromkeys(str(row["system"]) for row in self._rows if row["op"] == op))
        return sorted(found, key=lambda system: system != "quorate")

    def in_flight(self, op: str) -> list[int]:
        return sorted({int(str(row["in_flight"])) for row in self._rows if row["op"] == op})

    def values(self, field: str, rows: list[Row]) -> list[float]:
        return [float(str(row[field])) for row in rows if field in row]

    def by_role(self, field: str, rows: list[Row]) -> list[dict[str, float]]:
        """A field that has one figure for each role."""
        return [figures for row in rows if isinstance(figures := row.get(field), dict)]

    def median(self, field: str, **fields: object) -> float | None:
        values = self.values(field, self.rows(**fields))
        return median(values) if values else None

    def ratios(self, field: str, op: str, peer: str, in_flight: int) -> list[float]:
        """quorate / peer, round by round."""
        return self.quotients(field, op, ("quorate", peer), in_flight)

    def quotients(self, field: str, op: str, systems: tuple[str, str], in_flight: int) -> list[float]:
        """The first system's figure divided by the second's, in each round that has both."""
        above, below = (
            {row["round"]: float(str(row[field])) for row in self.rows(op=op, system=system, in_flight=in_flight)} for system in systems
        )
        return [above[round_] / below[round_] for round_ in above if below.get(round_)]

    def ratio(self, field: str, op: str, peer: str, in_flight: int) -> float | None:
        """The median of the ratios within each round."""
        ratios = self.ratios(field, op, peer, in_flight)
        return median(ratios) if ratios else None
