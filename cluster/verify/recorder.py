"""Writes down what concurrent clients ask and hear, as it happens.

The rules: an invocation is written before anything is sent, and each line with one write, so that a crash of the recorder
leaves a file that can be read, with the open invocations unknown. (After a power cut lines may be missing: then the
history is not evidence.) A process whose outcome stayed unknown invokes nothing more: its client goes on under a new number.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from quorate.cluster.verify.events import INVOKE, Event, assemble
from quorate.cluster.verify.files import VERSION, plain, read, to_json
from quorate.cluster.verify.history import History, Outcome


class Recorder:
    """With a path into that file, which must not exist yet: a history is evidence. Without one it is kept in memory.

    `now_ns` is the clock: `BootClock().now_ns` on live nodes, the world's own in a simulation."""

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        now_ns: Callable[[], int],
        model: str = "",
        seed: int | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.path = path
        self._now_ns = now_ns
        self._facts: dict[str, object] = {name: plain(value) for name, value in (facts or {}).items()}
        if model:
            self._facts["model"] = model
        if seed is not None:
            self._facts["seed"] = seed
        self._process_count = 0
        self._events: list[Event] = []
        self._failure: OSError | None = None
        self._file = None if path is None else open(path, "xb", buffering=0)  # noqa: SIM115
        header: dict[str, object] = {name: self._facts[name] for name in ("model", "seed") if name in self._facts}
        others = {name: to_json(value) for name, value in self._facts.items() if name not in header}
        self._line({"quorate": "history", "version": VERSION, **header, "facts": others})

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def client(self) -> "RecordedProcess":
        """A client under a process number of its own."""
        return RecordedProcess(self)

    def history(self) -> History:
        """What has been recorded so far; what is still under way is unknown."""
        if self.path is not None:
            return read(self.path)
        return assemble(self._events, facts=self._facts)

    def close(self) -> None:
        """Nothing more is recorded."""
        if self._file is not None:
            self._file.close()

    def next_process(self) -> int:
        self._process_count += 1
        return self._process_count - 1

    def record(self, kind: str, process: int, function: str = "", key: object = None, value: object = None, why: str = "") -> None:
        """One event, now. TypeError for a value that no history can hold; OSError if it cannot be written."""
        now_ns = self._now_ns()
        key, value = plain(key), plain(value)
        assert isinstance(key, str | bytes | int | None), key
        if self._file is None:
            self._events.append(Event(kind, process, function, key, value, now_ns))
            return
        given = {"f": function or None, "key": to_json(key), "value": to_json(value), "error": why or None}
        told = {name: field for name, field in given.items() if field is not None}
        self._line({"type": kind, "process": process, **told, "time": now_ns})

    def _line(self, fields: Mapping[str, object]) -> None:
        if self._file is None:
            return
        if self._failure is not None:
            raise self._failure  # half a line may stand at the end: what follows would not be readable
        line = json.dumps(fields).encode() + b"\n"
        try:
            if self._file.write(line) != len(line):
                raise OSError(f"{self.path}: only a part of a line could be written")
        except OSError as failure:
            self._failure = failure
            raise


class RecordedProcess:
    """One client that does one thing at a time: `invoke`, then one of `ok`, `fail` and `unknown`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._open = ""
        self.process = recorder.next_process()

    def __repr__(self) -> str:
        return f"<RecordedProcess {self.process} {self._open or 'free'}>"

    def invoke(self, function: str, key: str | bytes | int | None = None, argument: object = None) -> None:
        """To be called before anything is sent."""
        assert not self._open, f"{self} still waits for the answer to {self._open}"
        self._recorder.record(INVOKE, self.process, function, key, argument)
        self._open = function

    def ok(self, result: object = None) -> None:
        """It was done, and this was the answer."""
        self._return(Outcome.OK, result)

    def fail(self, why: str = "") -> None:
        """It certainly was not done and never will be."""
        self._return(Outcome.FAILED, why=why)

    def unknown(self, why: str = "") -> None:
        """It may have been done, or may still be. From now on this client has another process number."""
        self._return(Outcome.UNKNOWN, why=why)
        self.process = self._recorder.next_process()

    def _return(self, outcome: Outcome, result: object = None, why: str = "") -> None:
        assert self._open, f"{self} has invoked nothing"
        self._recorder.record(outcome.value, self.process, value=result, why=why)
        self._open = ""
