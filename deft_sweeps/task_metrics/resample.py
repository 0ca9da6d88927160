"""Bootstrap resamples of examples, as weights: how often each example was drawn."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_FEW = 256
"""Up to this many distinct examples, a resample is one multinomial draw of their counts."""

_AT_ONCE = 2_000_000
"""Examples drawn at a time, which bounds the memory."""


def resamples(counts: NDArray[np.int64], n_resamples: int) -> Iterator[Array]:
    """Resamples of sum(counts) examples, drawn with replacement from seed 0.

    Args:
        counts: how often each distinct example occurs, shape (k,).
        n_resamples: how many.

    Yields:
        Chunks of shape (resamples, k): how often each distinct example was drawn.
    """
    generator = np.random.default_rng(0)
    n, n_kinds = int(counts.sum()), len(counts)
    if n_kinds <= _FEW:
        yield generator.multinomial(n, counts / n, size=n_resamples).astype(float)
        return
    kind = np.repeat(np.arange(n_kinds), counts)
    n_missing = n_resamples
    while n_missing:
        size = min(n_missing, max(1, _AT_ONCE // n))
        offsets = n_kinds * np.arange(size)[:, None]
        drawn = kind[generator.integers(n, size=(size, n))] + offsets
        flat = np.bincount(drawn.ravel(), minlength=size * n_kinds)
        yield flat.reshape(size, n_kinds).astype(float)
        n_missing -= size
