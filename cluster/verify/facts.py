"""What a recorder says of its run. The rule: a fact that a checker cannot read is refused, for a guess might weaken the check."""

from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.history import History


def flag(history: History, name: str) -> bool:
    """A fact that is true or false; false where it is left out."""
    value = history.facts.get(name, False)
    if not isinstance(value, bool):
        raise BadHistory(history.source, 1, f"the fact `{name}` is true or false, not {value!r:.100}")
    return value
