"""The control API over HTTP, in front of nodes' real peer connections."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from quorate.cluster.faults.calibration import calibrate
from quorate.cluster.faults.control import Control
from quorate.cluster.faults.serving import load
from quorate.cluster.faults.timing import LoopTiming
from quorate.cluster.runtime.config import ConfigError
from quorate.protocols.raft.messages import Heartbeat
from tests.cluster.faults.test_network import World, until


class Api:
    """One proxy with its control, and an HTTP client."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.control = Control(world.proxy)

    async def begin(self) -> "Api":
        await self.control.listen("127.0.0.1:0")
        self._keeping = asyncio.create_task(self.control.transactions.keep_ports())
        self.session = aiohttp.ClientSession(f"http://{self.control.address}")
        return self

    async def end(self) -> None:
        await self.session.close()
        self._keeping.cancel()
        await self.control.stop()

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        async with self.session.request(method, path, json=body) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def put(self, id: str, *faults: object, ttl_s: float = 60) -> tuple[int, object]:
        return await self.ask("PUT", "/faults", {"id": id, "ttl_s": ttl_s, "seed": 4, "faults": faults})

    async def link(self, name: str) -> dict[str, object]:
        _, body = await self.ask("GET", "/links")
        return next(link for link in body["links"] if link["link"] == name)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World().begin()
    made = await Api(world).begin()
    yield made
    await made.end()
    await world.end()


async def test_a_fault_is_set_seen_and_healed_and_every_link_is_probed(api: Api) -> None:
    status, body = await api.put("cut", {"links": ["n1>n2"], "cut": True})
    assert 200 == status and {"n1>n2": {"mode": "message", "cut": True}} == body["links"]
    link = await api.link("n1>n2")
    assert ("faulty", "cut") == (link["state"], link["by"])
    status, healed = await api.ask("POST", "/heal", {})

    assert 200 == status
    assert {"cut": "healed"} == healed["transactions"]
    assert healed["healed"] and {} == healed["still_faulty"]
    assert 9 == len(healed["probes"])
    assert all(each["open"] and each["destination_up"] for each in healed["probes"]), healed["probes"]
    assert "open" == (await api.link("n1>n2"))["state"]


async def test_a_heal_of_one_transaction_says_what_is_still_faulty(api: Api) -> None:
    await api.put("one", {"links": ["n1>n2"], "cut": True})
    await api.put("other", {"links": ["n2>n3"], "delay_ms": 5})
    _, healed = await api.ask("POST", "/heal", {"id": "one"})

    assert not healed["healed"]
    assert {"n2>n3": "other", "n3>n2": "other"} == healed["still_faulty"]


async def test_a_probe_of_a_link_that_is_not_open_fails(api: Api) -> None:
    """The port is gone behind the back of the transactions: a heal that only forgot its faults would not see it."""
    api.world.proxy.ports["n1", "n2"].enabled = False
    await api.world.proxy.adjust()
    _, healed = await api.ask("POST", "/heal", {"verify": True})
    assert healed["healed"]  # it enables what a toxiproxy client has disabled
    await api.world.proxy.ports["n1", "n2"].stop()
    _, healed = await api.ask("POST", "/heal")

    assert not healed["healed"]
    assert ["n1>n2"] == [each["link"] for each in healed["probes"] if not each["open"]]


async def test_a_fault_ends_by_itself_also_a_refusal(api: Api) -> None:
    port = api.world.proxy.ports["n1", "n2"]
    await api.put("refuse", {"links": ["n1>n2"], "refuse": True}, ttl_s=0.3)
    assert not port.is_listening
    await until(lambda: port.is_listening)

    assert (404, "UnknownTransaction") == ((answer := await api.ask("POST", "/heal", {"id": "never"}))[0], answer[1]["error"]["code"])
    assert {"refuse": "expired"} == (await api.ask("POST", "/heal", {"id": "refuse"}))[1]["transactions"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"id": "x", "ttl_s": 1, "faults": [{"links": ["n1>n9"], "cut": True}]}, "no node 'n9'"),
        ({"id": "x", "faults": [{"links": ["n1>n2"], "cut": True}]}, "ttl_s: Field required"),
        ([], "Input should be an object"),
    ],
)
async def test_a_wrong_request_is_answered_with_what_is_wrong(api: Api, body: object, message: str) -> None:
    status, answer = await api.ask("PUT", "/faults", body)

    assert 400 == status
    assert message in answer["error"]["message"]


async def test_events_tell_every_decision_with_its_type(api: Api) -> None:
    async with api.session.get("/events?since=0") as events:
        await api.put("drop", {"links": ["n1>n2"], "drop": 1})
        api.world.send("n1", "n2", Heartbeat(7, 0, 1))
        seen: list[dict[str, object]] = []
        async for line in events.content:
            if line.startswith(b"data: "):
                seen.append(json.loads(line[6:]))
                if seen[-1]["event"] == "frame":
                    break

    assert "faults" == seen[-2]["event"]
    assert ("n1>n2", "Heartbeat", 7, "dropped", 0) == tuple(seen[-1][name] for name in ("link", "type", "term", "fate", "frame"))
    assert (await api.ask("GET", "/events?since=x"))[0] == 400


async def test_metrics_count_frames_by_link_and_type(api: Api) -> None:
    async with api.session.get("/metrics") as response:
        text = await response.text()

    assert 'quorate_proxy_frames_total{link="n1>n2",type="hello"} 1.0' in text
    assert 'quorate_proxy_link_faulty{link="n1>n2"} 0.0' in text


async def test_the_table_of_ports_names_each_pair_once(api: Api) -> None:
    _, ports = await api.ask("GET", "/ports")

    assert 9 == len({port["listen"] for port in ports})
    assert {"peers": 6, "clients": 3} == {kind: sum(port["for"] == kind for port in ports) for kind in ("peers", "clients")}


async def test_a_calibration_measures_both_paths() -> None:
    measured = await calibrate(LoopTiming(), 100, 64)

    assert 100 == measured.rounds
    assert 0 < measured.direct_p50_us < measured.proxied_p50_us


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nodes: Field required"),
        ("[nodes.n1]\npeer = 'x'\n", "nodes.n1.peer: an address is host:port"),
        ("[nodes.leader]\npeer = 'x:1'\n", "this word selects nodes"),
        ("[nodes.n1]\npeer = 'x:1'\n[links]\n'n1>n2' = 'x:2'\n", "no link 'n1>n2'"),
        ("[nodes.n1]\npeer = 'x:1'\n[links]\n'client>n1' = 'x:2'\n", "no link 'client>n1'"),
        ("mode = 'udp'\n[nodes.n1]\npeer = 'x:1'\n", "mode: Input should be 'stream' or 'message'"),
        ("=", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_names_file_and_field(tmp_path, text: str, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "proxy.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(path)

    assert str(path) in raised.value.message
    assert message in raised.value.message
