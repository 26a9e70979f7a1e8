"""The little HTTP that a harness needs: a JSON call, and the sum of a counter on a Prometheus page."""

import json
import urllib.request
from collections.abc import Iterable

ANSWER_WITHIN_S = 5.0


def call(url: str, body: object = None) -> str:
    """GET, or POST of a JSON body. OSError (of which URLError is one) if there is no good answer."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=ANSWER_WITHIN_S) as answer:
        text: str = answer.read().decode()
    return text


def samples(page: str, names: Iterable[str]) -> float:
    """The sum of all samples with one of these names, whatever their labels."""
    wanted = set(names)
    total = 0.0
    for line in page.splitlines():
        name, _, rest = line.partition("{") if "{" in line else line.partition(" ")
        if name in wanted:
            total += float(rest.rsplit("}", 1)[-1].split()[0])
    return total
