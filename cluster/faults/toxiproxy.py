"""Toxiproxy's HTTP API, as its documentation describes it, over the links of this proxy: its existing clients can drive us.

Every port is a proxy of it: `n1_to_n2`, `client_to_n1`. Those are the cluster's and cannot be deleted or led elsewhere; proxies that a
client creates relay any bytes between any two addresses.
"""

import json

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from quorate.cluster.faults.listener import Port, PortTaken
from quorate.cluster.faults.network import ProxyNetwork
from quorate.cluster.faults.payloads import explain
from quorate.cluster.faults.toxics import ToxicPayload, Toxics
from quorate.cluster.runtime.config import split_address

API_VERSION = "2.9.0"
"""The version of that API which we serve."""
CREATED_MAX = 256


class ProxyPayload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = ""
    listen: str = ""
    upstream: str = ""
    enabled: bool | None = None


def failure(status: int, message: str) -> web.Response:
    return web.json_response({"error": message, "status": status}, status=status)


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Toxiproxy:
    def __init__(self, network: ProxyNetwork, toxics: Toxics) -> None:
        self._network = network
        self.toxics = toxics
        self._names = {f"{source}_to_{destination}": port for (source, destination), port in network.ports.items()}
        self._created: dict[str, Port] = {}

    def add_to(self, router: web.UrlDispatcher) -> None:
        for method, path, handler in (
            ("GET", "/proxies", self._list),
            ("POST", "/proxies", self._create),
            ("POST", "/populate", self._populate),
            ("GET", "/proxies/{proxy}", self._show),
            ("POST", "/proxies/{proxy}", self._update),
            ("PATCH", "/proxies/{proxy}", self._update),
            ("DELETE", "/proxies/{proxy}", self._delete),
            ("GET", "/proxies/{proxy}/toxics", self._list_toxics),
            ("POST", "/proxies/{proxy}/toxics", self._add_toxic),
            ("GET", "/proxies/{proxy}/toxics/{toxic}", self._show_toxic),
            ("POST", "/proxies/{proxy}/toxics/{toxic}", self._update_toxic),
            ("PATCH", "/proxies/{proxy}/toxics/{toxic}", self._update_toxic),
            ("DELETE", "/proxies/{proxy}/toxics/{toxic}", self._remove_toxic),
            ("POST", "/reset", self._reset),
            ("GET", "/version", self._version),
        ):

            async def answer(request: web.Request, handler: object = handler) -> web.StreamResponse:
                try:
                    return await handler(request)  # type: ignore[operator,no-any-return]  # bound above, one of this class
                except _Refused as refused:
                    return failure(refused.status, str(refused))
                except ValidationError as problem:
                    return failure(400, f"bad request body: {explain(problem)}")
                except json.JSONDecodeError as problem:
                    return failure(400, f"bad request body: {problem}")

            router.add_route(method, path, answer)

    @property
    def _all(self) -> dict[str, Port]:
        return {**self._names, **self._created}

    def _find(self, request: web.Request) -> tuple[str, Port]:
        name = request.match_info["proxy"]
        port = self._all.get(name)
        if port is None:
            raise _Refused(404, f"proxy not found: {name}; there are: {', '.join(self._all)}")
        return name, port

    def _document(self, name: str, port: Port) -> dict[str, object]:
        return {
            "name": name,
            "listen": port.address,
            "upstream": port.upstream,
            "enabled": port.enabled,
            "toxics": [toxic.document() for toxic in self.toxics.of(port).values()],
        }

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({name: self._document(name, port) for name, port in self._all.items()})

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(self._document(*self._find(request)))

    async def _create(self, request: web.Request) -> web.Response:
        payload = ProxyPayload.model_validate(await request.json())
        if payload.name in self._all:
            raise _Refused(409, f"proxy already exists: {payload.name}")
        return web.json_response(self._document(payload.name, await self._made(payload)), status=201)

    async def _made(self, payload: ProxyPayload) -> Port:
        if not payload.name or not payload.upstream:
            raise _Refused(400, f"missing required field: {'upstream' if payload.name else 'name'}")
        if len(self._created) >= CREATED_MAX:
            raise _Refused(400, f"at most {CREATED_MAX} proxies may be created")
        listen = payload.listen or "127.0.0.1:0"
        try:
            split_address(payload.upstream)
            port = await self._network.add_raw(payload.name, listen, payload.upstream)
        except (ValueError, PortTaken) as problem:
            raise _Refused(400, str(problem)) from None
        self._created[payload.name] = port
        await self._enable(port, payload.enabled)
        return port

    async def _enable(self, port: Port, enabled: bool | None) -> None:
        if enabled is None or enabled == port.enabled:
            return
        port.enabled = enabled
        self._network.events.tell("enabled" if enabled else "disabled", link=port.name)
        await port.adjust()
        if not enabled:
            port.close_connections()

    async def _update(self, request: web.Request) -> web.Response:
        name, port = self._find(request)
        payload = ProxyPayload.model_validate(await request.json())
        port = await self._led(name, port, payload)
        await self._enable(port, payload.enabled)
        return web.json_response(self._document(name, port))

    async def _led(self, name: str, port: Port, payload: ProxyPayload) -> Port:
        """The port, made anew if it listens or leads elsewhere now."""
        listen, upstream = payload.listen or port.address, payload.upstream or port.upstream
        if (listen, upstream) == (port.address, port.upstream):
            return port
        self._check_is_created(name)
        await self._drop(name)
        return await self._made(ProxyPayload(name=name, listen=listen, upstream=upstream, enabled=port.enabled))

    def _check_is_created(self, name: str) -> None:
        if name not in self._created:
            raise _Refused(400, f"{name} is a link of the cluster; its addresses are those of the proxy's configuration")

    async def _drop(self, name: str) -> None:
        port = self._created.pop(name)
        self.toxics.clear([port])
        self.toxics.by_port.pop(port, None)
        await port.stop()

    async def _delete(self, request: web.Request) -> web.Response:
        name, _ = self._find(request)
        self._check_is_created(name)
        await self._drop(name)
        return web.Response(status=204)

    async def _populate(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not isinstance(body, list):
            raise _Refused(400, "a list of proxies is needed")
        documents = []
        for payload in [ProxyPayload.model_validate(each) for each in body]:
            port = self._all.get(payload.name)
            if port is None:
                port = await self._made(payload)
            else:
                port = await self._led(payload.name, port, payload)
                await self._enable(port, True if payload.enabled is None else payload.enabled)
            documents.append(self._document(payload.name, port))
        return web.json_response({"proxies": documents}, status=201)

    async def _list_toxics(self, request: web.Request) -> web.Response:
        _, port = self._find(request)
        return web.json_response([toxic.document() for toxic in self.toxics.of(port).values()])

    async def _add_toxic(self, request: web.Request) -> web.Response:
        _, port = self._find(request)
        payload = ToxicPayload.model_validate(await request.json())
        if (payload.name or f"{payload.type}_{payload.stream}") in self.toxics.of(port):
            raise _Refused(409, "toxic already exists")
        return web.json_response(self.toxics.set(port, payload).document())

    def _find_toxic(self, request: web.Request) -> tuple[Port, str]:
        _, port = self._find(request)
        name = request.match_info["toxic"]
        if name not in self.toxics.of(port):
            raise _Refused(404, f"toxic not found: {name}; there are: {', '.join(self.toxics.of(port)) or 'none'}")
        return port, name

    async def _show_toxic(self, request: web.Request) -> web.Response:
        port, name = self._find_toxic(request)
        return web.json_response(self.toxics.of(port)[name].document())

    async def _update_toxic(self, request: web.Request) -> web.Response:
        """Attributes and toxicity; what a toxic is and where it acts stay."""
        port, name = self._find_toxic(request)
        old = self.toxics.of(port)[name]
        body = await request.json()
        if not isinstance(body, dict):
            raise _Refused(400, "an object is needed")
        attributes = {**old.attributes.model_dump(), **(body.get("attributes") or {})}
        new = {"toxicity": old.toxicity, **body, "attributes": attributes, "name": name, "type": old.type, "stream": old.stream}
        return web.json_response(self.toxics.set(port, ToxicPayload.model_validate(new)).document())

    async def _remove_toxic(self, request: web.Request) -> web.Response:
        self.toxics.remove(*self._find_toxic(request))
        return web.Response(status=204)

    async def reset(self) -> None:
        """No toxics, and every proxy enabled."""
        self.toxics.clear(self._all.values())
        for port in self._all.values():
            await self._enable(port, True)

    async def _reset(self, request: web.Request) -> web.Response:
        await self.reset()
        return web.Response(status=204)

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": API_VERSION})

    async def stop(self) -> None:
        for port in self._created.values():
            await port.stop()
