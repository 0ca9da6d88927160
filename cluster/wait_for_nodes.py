"""Waits until a Ray cluster has a number of live nodes.

    python cluster/wait_for_nodes.py HOST:PORT NODES [SECONDS]

Ends with exit code 0 once they are there, and with 1 and a sentence after SECONDS (300 by default).
Settings of the token are those of `ray start`.
"""

import socket
import sys
import time

import ray

POLL_SEC = 1.0


def answers(address: str) -> bool:
    """Whether something listens at HOST:PORT; Ray itself would wait 20 s for it."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


def n_live(address: str) -> int:
    """Live nodes of the cluster; 0 while its head does not answer."""
    if not ray.is_initialized():
        if not answers(address):
            return 0
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    return sum(bool(node["Alive"]) for node in ray.nodes())


def main() -> int:
    """Wait, and say what the exit code means."""
    address, n_nodes, *limit = sys.argv[1:]
    limit_sec = float(limit[0]) if limit else 300.0
    until = time.monotonic() + limit_sec
    while (n := n_live(address)) < int(n_nodes):
        if time.monotonic() > until:
            print(
                f"{n} of {n_nodes} nodes have joined {address} after {limit_sec:g} s: look at the"
                " output of their `ray start` above",
                file=sys.stderr,
            )
            return 1
        time.sleep(POLL_SEC)
    print(f"{n} of {n_nodes} nodes have joined {address}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
