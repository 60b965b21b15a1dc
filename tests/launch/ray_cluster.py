"""A Ray cluster of two nodes with room for one job each, in a process of its own.

Its nodes are forked, which JAX warns of in a process that has imported it, as that of the tests may have.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MEMORY = 80 * 2**20  # bytes of the object store of a node, which holds next to nothing


class RayCluster(NamedTuple):
    """Its address, and the process that it belongs to."""

    address: str
    process: subprocess.Popen[str]

    def remove(self, raylet: int) -> None:
        """Takes a node away as if its machine had died, given the number of its raylet process."""
        print(raylet, file=self.process.stdin, flush=True)
        assert self.process.stdout is not None and json.loads(self.process.stdout.readline()) == raylet


@contextlib.contextmanager
def running() -> Iterator[RayCluster]:
    """Inside there is a cluster."""
    command = [sys.executable, "-m", "tests.launch.ray_cluster"]
    variables = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield RayCluster(json.loads(process.stdout.readline()), process)
        process.communicate(timeout=60)  # the end of its input ends it
    finally:
        process.kill()
        process.communicate()


def serve() -> None:
    """Starts the cluster, says its address, and removes the nodes that are asked for until the input ends."""
    from ray.cluster_utils import Cluster

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints
    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
        print(json.dumps(cluster.address), file=answers, flush=True)
        for line in sys.stdin:
            nodes = {node.all_processes["raylet"][0].process.pid: node for node in cluster.list_all_nodes()}
            cluster.remove_node(nodes[int(line)], allow_graceful=False)
            print(int(line), file=answers, flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    serve()
