"""A cluster of real node processes on this machine: what `quorate up`, the process tests and the scripts stand on.

    with LocalCluster.create(tmp_path, settings={"timing": {"lease_ms": 200}}) as cluster:
        cluster.start()
        cluster.wait_ready()
        cluster.kill(cluster.wait_leader())       # kill -9
        ...                                       # connect(cluster.endpoints)

`create` chooses names, ports and a cluster id, and writes cluster.json and one configuration file per node; `open` finds
them again. Leaving the `with` block kills every node; the directory stays, for its logs, unless `destroy` is called.
All calls block; an async test calls the slow ones through `asyncio.to_thread`.
"""

from quorate.cluster.local.cluster import LocalCluster
from quorate.cluster.local.directory import LocalError, NodeRecord, NoLocalCluster, NotReady
from quorate.cluster.local.probe import call, identity, status

__all__ = [
    "LocalCluster",
    "LocalError",
    "NoLocalCluster",
    "NodeRecord",
    "NotReady",
    "call",
    "identity",
    "status",
]
