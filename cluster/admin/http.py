"""What machines ask a node over HTTP: /health (alive), /ready (leader known, applied caught up), /metrics (Prometheus).

Metrics are plain ints on the objects that count; they are read here, when asked, and cost the hot path nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from quorate.cluster.runtime.config import split_address

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, str, str, Mapping[str, str], float]
"""(name, "counter" or "gauge", help, labels, value)"""


class _Samples(Collector):
    """Turns a node's samples into Prometheus families at the moment of a scrape."""

    def __init__(self, samples: Callable[[], Iterable[Sample]]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for name, kind, text, labels, value in self._samples():
            family = families.get(name)
            if family is None:
                made = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
                family = families[name] = made(name, text, labels=tuple(labels))
            assert isinstance(family, CounterMetricFamily | GaugeMetricFamily), family
            family.add_metric(tuple(labels.values()), value)
        yield from families.values()


def exposition(samples: Callable[[], Iterable[Sample]]) -> bytes:
    """What a scrape is answered with."""
    registry = CollectorRegistry()
    registry.register(_Samples(samples))
    return generate_latest(registry)


class AdminServer:
    """The HTTP listener of one node."""

    def __init__(self, ready: Callable[[], tuple[bool, str]], samples: Callable[[], Iterable[Sample]]) -> None:
        self._ready = ready
        self._samples = samples
        application = web.Application()
        application.router.add_get("/health", self._health)
        application.router.add_get("/ready", self._is_ready)
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
        self.address = ""

    async def listen(self, address: str) -> None:
        host, port = split_address(address)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0]
        self.address = f"{bound[0]}:{bound[1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        """The event loop turns; says nothing about the cluster."""
        return web.json_response({"alive": True})

    async def _is_ready(self, request: web.Request) -> web.Response:
        ready, detail = self._ready()
        return web.json_response({"ready": ready, "detail": detail}, status=200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=exposition(self._samples), headers={"Content-Type": METRICS_TYPE})
