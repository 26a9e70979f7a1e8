"""`quorate put`, `get`, `del`, `range`, `cas`, `compact`: keys by hand."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import Answer, Exit, UsageError
from quorate.cluster.cli.options import (
    TIMEOUT_S,
    ConsistencyOption,
    DataOption,
    EndpointsOption,
    JsonOption,
    TimeoutOption,
    consistency,
)
from quorate.cluster.cli.output import Column, Json, bytes_of, json_bytes, text_of
from quorate.cluster.cli.surroundings import with_client

if TYPE_CHECKING:
    from quorate.cluster.service.results import KeyValue, RangeResult

STDIN = "-"

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", show_default=False)]


def put(
    context: typer.Context,
    key: KeyArgument,
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", show_default=False, help="`-` or nothing: read it from standard input.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Read the value from a file.")] = None,
    lease: Annotated[int, typer.Option("--lease", min=0, metavar="ID", help="The key vanishes when that lease ends.")] = 0,
    previous: Annotated[bool, typer.Option("--previous", help="Show the value that was replaced.")] = False,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Set a key; print the revision of the write.

    Examples:

    - `quorate put greeting hello`
    - `quorate put certificate --file server.pem`
    - `date | quorate put now`
    - `quorate put balance -- -5` (behind `--` a dash begins no option)
    """
    content = _content(value, file)
    result = with_client(
        context, endpoints, data, timeout, lambda client: client.put(bytes_of(key), content, lease=lease, previous=previous)
    )
    if json:
        shown: dict[str, Json] = {"revision": result.revision}
        if previous:
            shown["previous"] = item_json(result.previous) if result.previous else None
        output.document(shown)
        return
    if result.previous:
        output.line(f"was {text_of(result.previous.value)}")
    output.line(f"revision {result.revision}")


def _content(value: str | None, file: Path | None) -> bytes:
    if file is not None:
        if value is not None:
            raise UsageError("give a value or --file, not both")
        try:
            return file.read_bytes()
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from None
    if value is not None and value != STDIN:
        return bytes_of(value)
    if value is None and sys.stdin.isatty():
        raise UsageError("no value; write it behind the key, or `-` to type it and end with Ctrl-D")
    return sys.stdin.buffer.read()


def get(
    context: typer.Context,
    key: KeyArgument,
    revision: Annotated[int, typer.Option("--revision", min=0, metavar="N", help="As it was then.", show_default=False)] = 0,
    level: ConsistencyOption = "linearizable",
    raw: Annotated[bool, typer.Option("--raw", help="Exactly the value's bytes, without a line end.")] = False,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Print the value of a key.

    Exit code 1 if there is none.

    Examples:

    - `quorate get greeting`
    - `quorate get certificate --raw > server.pem`
    - `quorate get greeting --consistency local --json`
    """
    wanted = consistency(level)
    item = with_client(context, endpoints, data, timeout, lambda client: client.get(bytes_of(key), revision=revision, consistency=wanted))
    if json:
        output.document(item_json(item) if item else None)
    elif item is not None:
        output.raw(item.value, newline=not raw)
    if item is None:
        if not json:
            output.complain(f"no key {key!r}" + (f" at revision {revision}" if revision else ""))
        raise Answer(Exit.NO)


def delete(
    context: typer.Context,
    key: KeyArgument,
    prefix: Annotated[bool, typer.Option("--prefix", "-p", help="All keys that begin with KEY.")] = False,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Delete a key, or all with a prefix.

    Exit code 1 if nothing was there.

    Examples:

    - `quorate del greeting`
    - `quorate del --prefix jobs/`
    """
    if prefix and not key:
        raise UsageError("an empty prefix means every key; delete them by their prefixes")
    named = bytes_of(key)
    result = with_client(context, endpoints, data, timeout, lambda client: client.delete_prefix(named) if prefix else client.delete(named))
    if json:
        output.document({"deleted": result.deleted, "revision": result.revision})
    else:
        output.line(f"deleted {result.deleted}, revision {result.revision}" if result.deleted else "nothing to delete")
    if not result.deleted:
        raise Answer(Exit.NO)


def list_range(
    context: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", show_default=False, help="Default: every key.")] = "",
    start: Annotated[str | None, typer.Option("--from", metavar="KEY", help="Instead of a prefix: from this key ...")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="KEY", help="... up to, but without, this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, metavar="N", help="0: all.")] = 0,
    revision: Annotated[int, typer.Option("--revision", min=0, metavar="N", help="As they were then.", show_default=False)] = 0,
    keys: Annotated[bool, typer.Option("--keys", "-k", help="Keys alone, one per line.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Only how many.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="The last keys first.")] = False,
    level: ConsistencyOption = "linearizable",
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """List keys and values in order.

    They are a table on a terminal, and `key TAB value` in a pipe. Exit code 1 if there are none.

    Examples:

    - `quorate range`
    - `quorate range jobs/ --limit 10`
    - `quorate range --from a --to m --keys`
    """
    if prefix and (start is not None or end is not None):
        raise UsageError("give a prefix, or --from and --to, not both")
    wanted = consistency(level)
    low, high = bytes_of(start or ""), bytes_of(end or "")
    result = with_client(
        context,
        endpoints,
        data,
        timeout,
        lambda client: client.range(
            low,
            high,
            prefix=bytes_of(prefix) if prefix else None,
            limit=limit,
            revision=revision,
            keys_only=keys,
            count_only=count,
            descending=reverse,
            consistency=wanted,
        ),
    )
    _show_range(result, keys=keys, count=count, json=json, limited=bool(limit))
    if not (result.total if count else result.items):
        raise Answer(Exit.NO)


def _show_range(result: "RangeResult", *, keys: bool, count: bool, json: bool, limited: bool) -> None:
    if json:
        shown: dict[str, Json] = {"revision": result.revision, "total": result.total, "more": result.more}
        if not count:
            shown["items"] = [json_bytes("key", item.key) if keys else item_json(item) for item in result.items]
        output.document(shown)
        return
    if count:
        output.line(str(result.total))
        return
    if keys:
        for item in result.items:
            output.line(text_of(item.key))
    elif sys.stdout.isatty() and result.items:
        rows = [[str(item.mod_revision), text_of(item.key), text_of(item.value)] for item in result.items]
        output.line(output.plain_table([Column("REVISION", number=True), Column("KEY"), Column("VALUE")], rows))
    else:
        for item in result.items:
            output.line(f"{text_of(item.key)}\t{text_of(item.value)}")
    if not result.items:
        output.complain("no keys")
    elif result.more and not limited:
        last = text_of(result.items[-1].key)
        output.complain(f"{len(result.items)} of {result.total}: one reply holds no more; go on behind {last!r} with --from")


def cas(
    context: typer.Context,
    key: KeyArgument,
    expected: Annotated[
        str | None,
        typer.Argument(metavar="EXPECTED", show_default=False, help="The value it must have. Left out with --absent or --revision."),
    ] = None,
    new: Annotated[str | None, typer.Argument(metavar="NEW", show_default=False, help="The value to set.")] = None,
    absent: Annotated[bool, typer.Option("--absent", help="It must not exist.")] = False,
    revision: Annotated[int | None, typer.Option("--revision", min=1, metavar="N", help="Its last write must be this revision.")] = None,
    remove: Annotated[bool, typer.Option("--delete", help="Delete it instead of setting it.")] = False,
    lease: Annotated[int, typer.Option("--lease", min=0, metavar="ID", help="The key vanishes when that lease ends.")] = 0,
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Set a key only if it is as expected.

    Exit code 1 if it is not, and shows what it is.

    Examples:

    - `quorate cas greeting hello goodbye`
    - `quorate cas lock --absent me`
    - `quorate cas greeting --revision 7 hi`
    - `quorate cas lock me --delete`
    """
    words = [word for word in (expected, new) if word is not None]
    if absent and revision is not None:
        raise UsageError("--absent and --revision exclude each other")
    if absent and remove:
        raise UsageError("--absent and --delete exclude each other: there would be nothing to delete")
    wanted_count = (0 if absent or revision is not None else 1) + (0 if remove else 1)
    if len(words) != wanted_count:
        raise UsageError("give KEY EXPECTED NEW; EXPECTED is left out with --absent or --revision, NEW with --delete")
    value = None if remove else bytes_of(words[-1])
    condition = None if absent else revision if revision is not None else bytes_of(words[0])
    result = with_client(
        context,
        endpoints,
        data,
        timeout,
        lambda client: client.compare_and_swap(bytes_of(key), expected=condition, value=value, lease=lease),
    )
    if json:
        current = item_json(result.current) if result.current else None
        output.document({"succeeded": result.succeeded, "revision": result.revision, "current": current})
    elif result.succeeded:
        output.line(f"{'deleted' if remove else 'swapped'}, revision {result.revision}")
    else:
        stands = (
            f"it holds {text_of(result.current.value)!r}, revision {result.current.mod_revision}" if result.current else "it does not exist"
        )
        output.line(f"not swapped: {stands}")
    if not result.succeeded:
        raise Answer(Exit.NO)


def compact(
    context: typer.Context,
    revision: Annotated[int, typer.Argument(metavar="REVISION", min=1, show_default=False)],
    endpoints: EndpointsOption = None,
    data: DataOption = None,
    timeout: TimeoutOption = TIMEOUT_S,
    json: JsonOption = False,
) -> None:
    """Forget the history before a revision.

    Reads and watches from it on still work.

    Example:

    - `quorate compact 1000`
    """
    result = with_client(context, endpoints, data, timeout, lambda client: client.compact(revision))
    if json:
        output.document({"revision": result.revision, "compacted": result.compacted})
    else:
        output.line(f"history begins at revision {result.compacted}")


def item_json(item: "KeyValue") -> dict[str, Json]:
    return {
        **json_bytes("key", item.key),
        **json_bytes("value", item.value),
        "create_revision": item.create_revision,
        "mod_revision": item.mod_revision,
        "version": item.version,
        "lease": item.lease,
    }


def add_to(app: typer.Typer) -> None:
    panel = "Keys"
    app.command("put", rich_help_panel=panel)(put)
    app.command("get", rich_help_panel=panel)(get)
    app.command("del", rich_help_panel=panel)(delete)
    app.command("range", rich_help_panel=panel)(list_range)
    app.command("cas", rich_help_panel=panel)(cas)
    app.command("compact", rich_help_panel=panel)(compact)
