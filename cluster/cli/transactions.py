"""`quorate txn`: conditions, and two lists of operations of which one is carried out, in one write."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import Answer, Exit, UsageError
from quorate.cluster.cli.keys import item_json
from quorate.cluster.cli.options import TIMEOUT_S, DataOption, EndpointsOption, JsonOption, TimeoutOption
from quorate.cluster.cli.output import Json, text_of
from quorate.cluster.cli.surroundings import with_client

if TYPE_CHECKING:
    from quorate.cluster.cli.phrases import Phrases, Span
    from quorate.cluster.service.results import DeleteResult, GetResult, PutResult, RangeResult, TxnResult


def txn(
    context: typer.Context,
    conditions: Annotated[list[str] | None, typer.Option("--if", metavar="CONDITION", help="Repeatable; all must hold.")] = None,
    then: Annotated[list[str] | None, typer.Option("--then", metavar="OPERATION", help="Repeatable; done if they hold.")] = None,
    otherwise: Annotated[list[str] | None, typer.Option("--else", metavar="OPERATION", help="Repeatable; done if not.")] = None,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Several keys in one write.

    Exit code 1 if the conditions did not hold and the else branch ran.

    Conditions: `value KEY = VALUE` (also != < >), `version KEY > N`, `created`, `modified` and `lease` likewise,
    `exists KEY`, `absent KEY`.

    Operations: `put KEY VALUE [lease=ID]`, `del KEY`, `del --prefix PREFIX`, `get KEY`, `range PREFIX [limit=N]`.

    Words are quoted as in a shell. Without options the transaction is read from standard input: the lines `if`, `then` and
    `else`, each followed by its conditions or operations, one per line.

    Examples:

    - `quorate txn --if 'value stock = 3' --then 'put stock 2' --then 'put order/7 "one piece"' --else 'get stock'`
    - `quorate txn --if 'absent lock' --then 'put lock me'`
    - `quorate txn < move.txt`
    """
    phrases = _read(conditions or [], then or [], otherwise or [])
    if not (phrases.then or phrases.otherwise):
        raise UsageError("nothing to do: give at least one --then or --else")
    result = with_client(
        context,
        endpoints,
        data,
        timeout,
        lambda client: client.transaction(
            phrases.conditions, [operation for _, operation in phrases.then], [operation for _, operation in phrases.otherwise]
        ),
    )
    ran = phrases.then if result.succeeded else phrases.otherwise
    if json:
        output.document(_as_json(result))
    else:
        _show(result, ran)
    if not result.succeeded:
        raise Answer(Exit.NO)


def _read(conditions: list[str], then: list[str], otherwise: list[str]) -> "Phrases":
    from quorate.cluster.cli.phrases import Phrases, parse

    if not (conditions or then or otherwise):
        if sys.stdin.isatty():
            output.complain("Type the transaction: `if`, `then`, `else` and their lines; end with Ctrl-D.")
        return parse(sys.stdin)
    found = Phrases()
    for section, phrases in (("if", conditions), ("then", then), ("else", otherwise)):
        for phrase in phrases:
            found.add(section, phrase)
    return found


def _show(result: "TxnResult", ran: "list[Span]") -> None:
    branch = "then" if result.succeeded else "else"
    output.line(f"{branch}, revision {result.revision}" if ran else f"{branch}: nothing to do")
    for (phrase, _), each in zip(ran, result.results):
        output.line(f"  {phrase}: {_words(each)}")


def _words(result: "PutResult | DeleteResult | GetResult | RangeResult") -> str:
    from quorate.cluster.service.results import DeleteResult, GetResult, PutResult

    match result:
        case PutResult():
            return "done"
        case DeleteResult(deleted=count):
            return f"deleted {count}"
        case GetResult(item=None):
            return "no such key"
        case GetResult(item=item):
            assert item is not None
            return text_of(item.value)
        case _:
            pairs = ", ".join(f"{text_of(item.key)}={text_of(item.value)}" for item in result.items)
            return (pairs or "no keys") + (f" and {result.total - len(result.items)} more" if result.more else "")


def _as_json(result: "TxnResult") -> dict[str, Json]:
    return {"succeeded": result.succeeded, "revision": result.revision, "results": [_result_json(each) for each in result.results]}


def _result_json(result: "PutResult | DeleteResult | GetResult | RangeResult") -> dict[str, Json]:
    from quorate.cluster.service.results import DeleteResult, GetResult, PutResult

    match result:
        case PutResult():
            return {"revision": result.revision}
        case DeleteResult():
            return {"deleted": result.deleted}
        case GetResult(item=item):
            return {"item": item_json(item) if item else None}
        case _:
            return {"total": result.total, "more": result.more, "items": [item_json(item) for item in result.items]}


def add_to(app: typer.Typer) -> None:
    app.command("txn", rich_help_panel="Keys")(txn)
