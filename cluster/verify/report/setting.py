"""How pages are set: templates, and a policy that allows no script and no style but those that the page was made with."""

from base64 import b64encode
from functools import cache
from hashlib import sha256

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from quorate.cluster.verify.report import words

PACKAGE = "quorate.cluster.verify.report"


@cache
def environment(*packages: str) -> Environment:
    """Templates of these packages, and then of this one. Everything that is put into a template is escaped."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in (*packages, PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"counted": words.counted, "left_out": words.left_out, "sentence": words.sentence, "fact": words.fact}
    return made


def source(name: str, *packages: str) -> str:
    """A file beside the templates, as it is."""
    made = environment(*packages)
    assert made.loader is not None
    return made.loader.get_source(made, name)[0]


def policy(style: str, script: str) -> str:
    """What a page of one style and one script may do: nothing else."""
    return f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
