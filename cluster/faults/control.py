"""The proxy's control API: JSON over HTTP.

PUT /faults, GET /faults, POST /heal, GET /links, GET /ports, GET /events (server-sent events), PUT, GET and DELETE /frames,
GET /metrics, POST /calibrate; and Toxiproxy's (see toxiproxy). An error is {"error": {"code", "message"}}: 400 wrong, 404 unknown,
429 too much, 503 not now.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict

from aiohttp import web
from pydantic import ValidationError

from quorate.cluster.admin.http import METRICS_TYPE, exposition
from quorate.cluster.faults.calibration import Calibration, calibrate
from quorate.cluster.faults.network import ProxyNetwork
from quorate.cluster.faults.payloads import CalibrationPayload, HealPayload, TapPayload, TransactionPayload, explain
from quorate.cluster.faults.probe import probe_all
from quorate.cluster.faults.selectors import Selection, find_leader
from quorate.cluster.faults.tap import Flight
from quorate.cluster.faults.toxics import Toxics
from quorate.cluster.faults.toxiproxy import Toxiproxy
from quorate.cluster.faults.transactions import Transactions, UnknownTransaction
from quorate.cluster.faults.views import link_view, ports_view, samples, transaction_view
from quorate.cluster.runtime.config import split_address
from quorate.cluster.wire.errors import BadRequest, Overloaded, QuorateError

KEEP_ALIVE_S = 15.0
"""A comment so often tells a reader of events, and whatever stands between, that the stream is alive."""
BODY_BYTES_MAX = 1 << 20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    def __init__(self, network: ProxyNetwork) -> None:
        self.network = network
        clients = {name: node.client for name, node in network.nodes.items()}
        self.transactions = Transactions(network, lambda: find_leader(clients))
        self.toxiproxy = Toxiproxy(network, Toxics(network))
        self.calibration: Calibration | None = None
        self._calibrating = asyncio.Lock()
        application = web.Application(middlewares=[_errors], client_max_size=BODY_BYTES_MAX)
        router = application.router
        router.add_put("/faults", self._put)
        router.add_get("/faults", self._faults)
        router.add_post("/heal", self._heal)
        router.add_get("/links", self._links)
        router.add_get("/ports", self._ports)
        router.add_get("/events", self._events)
        router.add_put("/frames", self._tap)
        router.add_get("/frames", self._frames)
        router.add_delete("/frames", self._untap)
        router.add_get("/metrics", self._metrics)
        router.add_post("/calibrate", self._calibrate)
        self.toxiproxy.add_to(router)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        self.address = ""

    async def listen(self, address: str) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, *split_address(address)).start()
        host, port = self._runner.addresses[0][:2]
        self.address = f"{host}:{port}"

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self.toxiproxy.stop()

    async def _put(self, request: web.Request) -> web.Response:
        payload = TransactionPayload.model_validate_json(await request.read())
        made, taken = await self.transactions.put(payload)
        return web.json_response(transaction_view(made, self.network) | {"took_over": taken})

    async def _faults(self, request: web.Request) -> web.Response:
        return web.json_response([transaction_view(each, self.network) for each in self.transactions.living.values()])

    async def _heal(self, request: web.Request) -> web.Response:
        """Everything, or one transaction; then, unless told not to, a probe on every link that nothing rules any more."""
        payload = HealPayload.model_validate_json(await request.read() or b"{}")
        ended = await self.transactions.heal(payload.id)
        if payload.id is None:
            await self.toxiproxy.reset()
        answer: dict[str, object] = {"transactions": ended}
        if payload.verify:
            ports = list(self.network.ports.values())
            open_ports = [port for port in ports if port.forward.is_open and port.backward.is_open]
            probed = await probe_all(open_ports)
            still = {port.name: port.forward.by or port.backward.by or "toxics" for port in ports if port not in open_ports}
            answer |= {
                "healed": not still and all(each.open for each in probed),
                "still_faulty": still,
                "probes": [asdict(each) for each in probed],
            }
        return web.json_response(answer)

    async def _links(self, request: web.Request) -> web.Response:
        calibration = asdict(self.calibration) if self.calibration is not None else None
        return web.json_response({"links": [link_view(link) for link in self.network.links.values()], "calibration": calibration})

    async def _ports(self, request: web.Request) -> web.Response:
        return web.json_response(ports_view(self.network))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """From now on; from an event on with ?since=NUMBER or Last-Event-ID; 0 is all that is kept."""
        asked = request.query.get("since", request.headers.get("Last-Event-ID", ""))
        if asked and not asked.isdigit():
            raise BadRequest(f"since: the number of an event, not {asked!r:.40}")
        number = int(asked) if asked else self.network.events.count
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        batches = self.network.events.follow(number)
        waiting = asyncio.ensure_future(anext(batches))
        try:
            # A reader that went away shows when it is written to.
            with suppress(ConnectionError):
                while True:
                    done, _ = await asyncio.wait({waiting}, timeout=KEEP_ALIVE_S)
                    if not done:
                        await response.write(b": still here\n\n")
                        continue
                    lines = [f"id: {each['number']}\nevent: {each['event']}\ndata: {json.dumps(each)}\n\n" for each in waiting.result()]
                    waiting = asyncio.ensure_future(anext(batches))
                    await response.write("".join(lines).encode())
        finally:
            waiting.cancel()
        return response

    async def _tap(self, request: web.Request) -> web.Response:
        """Begin to keep what becomes of each frame; what was kept before is gone."""
        payload = TapPayload.model_validate_json(await request.read() or b"{}")
        network = self.network
        chosen = Selection(tuple(network.nodes), tuple(network.links), network.seed, leader=None).all_links(payload.links)
        network.tap(chosen, payload.keep)
        return web.json_response({"keep": payload.keep, "links": [network.links[pair].name for pair in chosen]})

    async def _untap(self, request: web.Request) -> web.Response:
        self.network.untap()
        return web.json_response({})

    async def _frames(self, request: web.Request) -> web.Response:
        """Those sent in ?from_ns=...&until_ns=..., by the clock of `now_ns`."""
        tapped = self.network.tapped
        if tapped is None:
            raise BadRequest("no frames are kept; begin it with PUT /frames")
        bounds = [request.query.get("from_ns", "0"), request.query.get("until_ns", str(self.network.timing.now_ns()))]
        if not all(bound.isdecimal() for bound in bounds):
            raise BadRequest(f"from_ns and until_ns: nanoseconds of this machine's boot clock, not {' and '.join(bounds)!r:.80}")
        flights = tapped.flights(*map(int, bounds))
        return web.json_response(
            {"now_ns": self.network.timing.now_ns(), "missed": tapped.missed, "columns": Flight._fields, "frames": flights}
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        text = exposition(lambda: samples(self.network, len(self.transactions.living)))
        return web.Response(body=text, headers={"Content-Type": METRICS_TYPE})

    async def _calibrate(self, request: web.Request) -> web.Response:
        payload = CalibrationPayload.model_validate_json(await request.read() or b"{}")
        async with self._calibrating:
            self.calibration = await calibrate(self.network.timing, payload.rounds, payload.frame_bytes)
        return web.json_response(asdict(self.calibration))


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ValidationError as problem:
        return _failure(400, "BadRequest", explain(problem))
    except UnknownTransaction as error:
        return _failure(404, error.code, error.message)
    except BadRequest as error:
        return _failure(400, error.code, error.message)
    except QuorateError as error:
        return _failure(429 if isinstance(error, Overloaded) else 503, error.code, error.message)


def _failure(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
