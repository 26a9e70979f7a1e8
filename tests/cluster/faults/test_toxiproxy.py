"""Toxiproxy's API: by the client for it from PyPI, and by plain HTTP as its documentation has it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest
import toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from quorate.protocols.raft.messages import Heartbeat
from tests.cluster.faults.test_control import Api
from tests.cluster.faults.test_network import World, until

T = TypeVar("T")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    world = await World().begin()
    made = await Api(world).begin()
    APIConsumer.host, port = made.control.address.split(":")
    APIConsumer.port = int(port)
    yield made
    await made.end()
    await world.end()


async def aside(work: Callable[[], T]) -> T:
    """The client blocks, and the proxy runs in this loop."""
    return await asyncio.to_thread(work)


async def echo_of(address: str, data: bytes) -> tuple[bytes, float]:
    """(what an echo behind that address gives back, after how many ms)"""
    host, port = address.split(":")
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    answer = await reader.read(len(data))
    writer.close()
    return answer, (time.monotonic() - began) * 1_000


async def test_the_python_client_sees_the_links_and_sets_toxics_on_them(api: Api) -> None:
    server = toxiproxy.Toxiproxy()
    assert await aside(server.running)
    assert b"2.9.0" in await aside(server.version)
    proxies = await aside(server.proxies)
    assert {"n1_to_n2", "client_to_n1"} < set(proxies) and 9 == len(proxies)
    link = proxies["n1_to_n2"]
    await aside(lambda: link.add_toxic(type="latency", stream="upstream", attributes={"latency": 20, "jitter": 5}))
    toxics = await aside(link.toxics)
    assert {"latency_upstream"} == set(toxics)
    assert {"latency": 20, "jitter": 5} == toxics["latency_upstream"].attributes
    api.world.send("n1", "n2", Heartbeat(3, 0, 1))
    await until(lambda: api.world.got("n2"))
    assert 15_000 <= (await api.link("n1>n2"))["intended_delay_us_mean"] * 2
    assert await aside(lambda: link.destroy_toxic("latency_upstream"))
    assert {} == await aside(link.toxics)
    with pytest.raises(NotFound, match="toxic not found"):
        await aside(lambda: link.destroy_toxic("latency_upstream"))
    with pytest.raises(InvalidToxic, match="invalid toxic type"):
        await aside(lambda: link.add_toxic(type="earthquake"))


async def test_the_python_client_takes_a_link_down_and_up(api: Api) -> None:
    server = toxiproxy.Toxiproxy()
    link = await aside(lambda: server.get_proxy("n1_to_n2"))
    await aside(link.disable)
    await until(lambda: "n2" in api.world.nodes["n1"].lost)
    assert not (await aside(lambda: server.get_proxy("n1_to_n2"))).enabled
    assert await aside(server.reset)

    await until(api.world.all_up)


async def test_the_python_client_creates_proxies_of_its_own(api: Api) -> None:
    server = toxiproxy.Toxiproxy()
    upstream = api.world.proxy.nodes["n1"].client
    made = await aside(lambda: server.create(upstream=upstream, name="echo"))
    assert b"GET / not msgpack" == (await echo_of(made.listen, b"GET / not msgpack"))[0]
    with pytest.raises(ProxyExists):
        await aside(lambda: server.create(upstream=upstream, name="echo"))
    again = await aside(lambda: server.populate([{"name": "echo", "upstream": upstream, "listen": made.listen}]))
    assert [] == again
    await aside(lambda: made.add_toxic(type="latency", attributes={"latency": 60}))
    answer, took_ms = await echo_of(made.listen, b"late")
    assert b"late" == answer and took_ms >= 60
    assert await aside(lambda: server.destroy(made))
    assert await aside(lambda: server.get_proxy("echo")) is None


async def test_the_documented_calls_by_plain_http(api: Api) -> None:
    upstream = api.world.proxy.nodes["n1"].client
    status, body = await api.ask("POST", "/populate", [{"name": "a", "listen": "127.0.0.1:0", "upstream": upstream}])
    assert 201 == status and ["a"] == [proxy["name"] for proxy in body["proxies"]]
    listen = body["proxies"][0]["listen"]
    assert 409 == (await api.ask("POST", "/proxies", {"name": "a", "upstream": upstream}))[0]
    assert 404 == (await api.ask("GET", "/proxies/b"))[0]
    status, toxic = await api.ask("POST", "/proxies/a/toxics", {"type": "limit_data", "attributes": {"bytes": 10}})
    expected = {"name": "limit_data_downstream", "type": "limit_data", "stream": "downstream", "toxicity": 1.0, "attributes": {"bytes": 10}}
    assert (200, expected) == (status, toxic)
    assert expected == (await api.ask("GET", "/proxies/a/toxics/limit_data_downstream"))[1]
    assert [expected] == (await api.ask("GET", "/proxies/a/toxics"))[1] == (await api.ask("GET", "/proxies/a"))[1]["toxics"]
    assert b"0123456789" == (await echo_of(listen, b"0123456789abcdef"))[0]
    assert 409 == (await api.ask("POST", "/proxies/a/toxics", {"type": "limit_data"}))[0]
    assert 200 == (await api.ask("POST", "/proxies/a/toxics/limit_data_downstream", {"attributes": {"bytes": 3}}))[0]
    assert b"012" == (await echo_of(listen, b"0123456789abcdef"))[0]
    assert 204 == (await api.ask("DELETE", "/proxies/a/toxics/limit_data_downstream"))[0]
    assert b"0123" == (await echo_of(listen, b"0123"))[0]
    assert (200, {"version": "2.9.0"}) == await api.ask("GET", "/version")
    assert 204 == (await api.ask("POST", "/reset"))[0]
    assert 204 == (await api.ask("DELETE", "/proxies/a"))[0]
    assert 400 == (await api.ask("DELETE", "/proxies/n1_to_n2"))[0]


@pytest.mark.parametrize(
    ("type", "attributes", "expected"),
    [
        ("timeout", {"timeout": 20}, b""),
        ("slicer", {"average_size": 1, "size_variation": 0, "delay": 100}, b"0"),
        ("bandwidth", {"rate": 1000}, b"0123456789"),
        ("slow_close", {"delay": 10}, b"0123456789"),
    ],
)
async def test_each_toxic_does_what_its_documentation_says(api: Api, type: str, attributes: dict[str, int], expected: bytes) -> None:
    await api.ask("POST", "/proxies", {"name": "a", "upstream": api.world.proxy.nodes["n1"].client})
    listen = (await api.ask("GET", "/proxies/a"))[1]["listen"]
    await api.ask("POST", "/proxies/a/toxics", {"type": type, "attributes": attributes})

    assert expected == (await echo_of(listen, b"0123456789"))[0]


async def test_reset_peer_resets(api: Api) -> None:
    await api.ask("POST", "/proxies", {"name": "a", "upstream": api.world.proxy.nodes["n1"].client})
    listen = (await api.ask("GET", "/proxies/a"))[1]["listen"]
    await api.ask("POST", "/proxies/a/toxics", {"type": "reset_peer", "attributes": {"timeout": 0}})
    with pytest.raises(ConnectionResetError):
        await echo_of(listen, b"x")


async def test_toxicity_chooses_among_connections(api: Api) -> None:
    await api.ask("POST", "/proxies", {"name": "a", "upstream": api.world.proxy.nodes["n1"].client})
    listen = (await api.ask("GET", "/proxies/a"))[1]["listen"]
    await api.ask("POST", "/proxies/a/toxics", {"type": "limit_data", "toxicity": 0.5, "attributes": {"bytes": 0}})
    answers = [(await echo_of(listen, b"x"))[0] for _ in range(40)]

    assert {b"", b"x"} == set(answers)


async def test_a_transaction_on_a_link_stands_above_its_toxics(api: Api) -> None:
    await api.ask("POST", "/proxies/n1_to_n2/toxics", {"type": "latency", "stream": "upstream", "attributes": {"latency": 5}})
    await api.put("cut", {"links": ["n1>n2"], "cut": True})
    assert "faulty" == (await api.link("n1>n2"))["state"]
    _, healed = await api.ask("POST", "/heal", {"id": "cut"})
    assert "toxic" == (await api.link("n1>n2"))["state"]
    assert {"n1>n2": "toxics", "n2>n1": "toxics"} == healed["still_faulty"]
    await api.ask("POST", "/heal", {})

    assert "open" == (await api.link("n1>n2"))["state"]
