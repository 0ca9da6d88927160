"""Fills the object store of its node: `python -m tests.hosts.fill_store HOST:PORT FILE`.

FILE says that it is full; it is emptied once FILE is removed.
"""

import sys
import time
from pathlib import Path

import numpy as np
import ray

from deft_sweeps.specification.search_settings import Budget
from deft_sweeps.sweep.local_ray import ray_session

CHUNK_BYTES = 8 * 10**6
N_CHUNKS = 9
"""72 MB of the 80 MB that `ray_cluster` gives a store."""


def main() -> None:
    """Hold arrays that are mapped into this process: Ray can neither spill nor evict these."""
    address, path = sys.argv[1:]
    with ray_session(Budget(trials=1), address=address):
        references = [ray.put(np.full(CHUNK_BYTES, i, np.uint8)) for i in range(N_CHUNKS)]
        mapped = ray.get(references)
        Path(path).write_text(str(sum(array.nbytes for array in mapped)))
        while Path(path).exists():
            time.sleep(0.2)


if __name__ == "__main__":
    main()
