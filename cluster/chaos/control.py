"""The fault proxy's control API, as a client of it: transactions, heal, links, events. Its errors are ours again."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType

import aiohttp

from quorate.cluster.local.directory import ClusterRecord
from quorate.cluster.wire.errors import BadRequest, Overloaded, Unavailable

REQUEST_S = 20.0
"""A heal probes every link, each for up to two seconds."""
ERRORS = {400: BadRequest, 404: BadRequest, 429: Overloaded}
"""By status; any other: not now."""
Document = Mapping[str, object]
"""JSON as the proxy gives it; docs/proxy.md says what is in it."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """One directed link."""

    name: str
    state: str
    """open, faulty or toxic."""
    mode: str
    by: str
    """The transaction that rules it."""
    fault: Document
    counts: Mapping[str, int]
    """Everything that the proxy counts on it, since the proxy began."""


class NoProxy(BadRequest):
    """The cluster began without a fault proxy: its links cannot fail."""


def control_address(record: ClusterRecord) -> str:
    """NoProxy says how to begin with one."""
    if record.proxy is None:
        raise NoProxy(
            "no fault proxy stands between the nodes of this cluster, so its links cannot fail; "
            "begin one with `quorate up --proxy` (in another directory: --data)"
        )
    return record.proxy.control


class Control:
    """One proxy. Use it as `async with`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Control":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(f"http://{self.address}")
        return self._session

    async def put(self, id: str, fault: Mapping[str, object], *, ttl_s: float, seed: int) -> Document:
        """Begin a transaction of one fault; what it is, with its links, and which links of others it took over."""
        return await self._document("PUT", "/faults", {"id": id, "ttl_s": ttl_s, "seed": seed, "faults": [fault]})

    async def faults(self) -> list[Document]:
        """The transactions that live."""
        return _documents(await self._ask("GET", "/faults"))

    async def heal(self, id: str | None = None, *, verify: bool = True) -> Document:
        """BadRequest if that transaction never was."""
        return await self._document("POST", "/heal", {"verify": verify} | ({} if id is None else {"id": id}))

    async def links(self) -> dict[str, LinkView]:
        """By name."""
        answer = await self._document("GET", "/links")
        return {view.name: view for view in map(_link_view, _documents(answer.get("links")))}

    async def events(self, since: int | None = None) -> AsyncIterator[Document]:
        """From now on, or those after this number first; ends with the proxy."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_S)
        query = {} if since is None else {"since": str(since)}
        try:
            async with self._open.get("/events", params=query, timeout=timeout) as response:
                async for line in response.content:
                    if line.startswith(b"data: "):
                        yield json.loads(line[len(b"data: ") :])
        except aiohttp.ClientConnectionError:
            raise self._silent from None
        except aiohttp.ClientPayloadError:
            return  # it ended in the middle of an event

    @property
    def _silent(self) -> Unavailable:
        return Unavailable(f"the fault proxy does not answer at {self.address}; `quorate up` starts it again, and so does `quorate start`")

    async def _document(self, method: str, path: str, body: object = None) -> Document:
        answer = await self._ask(method, path, body)
        if not isinstance(answer, dict):
            raise self._other
        return answer

    @property
    def _other(self) -> Unavailable:
        return Unavailable(f"what answers at {self.address} is no fault proxy; which process listens there?")

    async def _ask(self, method: str, path: str, body: object = None) -> object:
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        try:
            async with self._open.request(method, path, json=body, timeout=timeout) as response:
                status, answer = response.status, await response.json()
        except (aiohttp.ClientConnectionError, TimeoutError):
            raise self._silent from None
        except (aiohttp.ContentTypeError, ValueError):
            raise self._other from None
        if status < 400:
            return answer
        match answer:
            case {"error": {"message": str(message)}}:
                raise ERRORS.get(status, Unavailable)(message)
        raise self._other


def _documents(value: object) -> list[Document]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _link_view(link: Document) -> LinkView:
    fault = link.get("fault")
    return LinkView(
        name=str(link.get("link")),
        state=str(link.get("state")),
        mode=str(link.get("mode")),
        by=str(link.get("by")),
        fault=fault if isinstance(fault, dict) else {},
        counts={name: value for name, value in link.items() if isinstance(value, int)},
    )
