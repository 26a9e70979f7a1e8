"""What machines ask a node: over real HTTP on loopback."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from quorate.cluster.admin.http import AdminServer, Sample


class Asked:
    """An admin server whose node says what the test wants."""

    def __init__(self) -> None:
        self.readiness = (False, "no leader is known")
        self.values: list[Sample] = []
        self.server = AdminServer(lambda: self.readiness, self._samples)

    def _samples(self) -> Iterator[Sample]:
        yield from self.values

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.server.address}{path}") as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    made = Asked()
    await made.server.listen("127.0.0.1:0")
    yield made
    await made.server.close()


async def test_a_node_that_is_alive_says_so_ready_or_not(asked: Asked) -> None:
    assert (200, '{"alive": true}') == await asked.get("/health")


async def test_readiness_is_a_status_code_and_a_reason(asked: Asked) -> None:
    assert (503, '{"ready": false, "detail": "no leader is known"}') == await asked.get("/ready")

    asked.readiness = (True, "")

    assert (200, '{"ready": true, "detail": ""}') == await asked.get("/ready")


async def test_samples_of_one_name_become_one_family_of_their_kind(asked: Asked) -> None:
    asked.values = [
        ("quorate_peer_up", "gauge", "whether", {"peer": "n2"}, 1),
        ("quorate_turns", "counter", "how many", {"group": "default"}, 42),
        ("quorate_peer_up", "gauge", "whether", {"peer": 'a "quoted" one'}, 0),
    ]
    status, text = await asked.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}

    assert 200 == status
    assert ("gauge", "whether") == (families["quorate_peer_up"].type, families["quorate_peer_up"].documentation)
    assert [({"peer": "n2"}, 1.0), ({"peer": 'a "quoted" one'}, 0.0)] == [
        (sample.labels, sample.value) for sample in families["quorate_peer_up"].samples
    ]
    assert [("quorate_turns_total", 42.0)] == [(sample.name, sample.value) for sample in families["quorate_turns"].samples]


async def test_an_unknown_path_is_not_found(asked: Asked) -> None:
    status, _ = await asked.get("/")

    assert 404 == status


async def test_a_port_in_use_is_an_error_at_once(asked: Asked) -> None:
    other = AdminServer(lambda: (True, ""), list)
    with pytest.raises(OSError, match="address already in use"):
        await other.listen(asked.server.address)
    await other.close()
