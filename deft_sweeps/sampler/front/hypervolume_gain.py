"""Expected hypervolume gain of a trial that brings several points, by random scalarisations; numpy only.

The hypervolume that points y > 0 dominate above the origin is c E[max_y min_i (y_i / w_i)^m] over directions w that are uniform on the
positive part of the unit sphere (Zhang and Golovin, Random Hypervolume Scalarizations, ICML 2020). So the gain of a whole set of points
over a front is the mean over directions of how far the set's best is beyond the front's, for any number of objectives, without a single
box being cut.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

Floats = NDArray[np.float64]

_BLOCK = 128
"""Sets that are valued at once: what they need stays in a core's cache."""


def directions(n: int, m: int, seed: int = 0) -> Floats:
    """Directions on the positive part of the unit sphere, evenly spread, shape (n, m); n a power of 2."""
    unit = (np.arange(n)[:, None] + 0.5) / n if m == 2 else qmc.Sobol(m, seed=seed).random(n)
    if m == 2:
        angle = unit[:, 0] * np.pi / 2
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    drawn = np.abs(norm.ppf(0.5 + unit / 2 * (1 - 1e-9)))
    normed: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return normed


def reach(values: Floats, towards: Floats) -> Floats:
    """How far each set of points reaches in each direction, to the power of m; its mean is in proportion to the hypervolume.

    Args:
        values: shape (..., points, m), higher is better, 0 is the reference; a point below it anywhere reaches nowhere.
        towards: shape (directions, m).

    Returns:
        Shape (..., directions).
    """
    m = values.shape[-1]
    inverse = 1.0 / towards.T
    best = np.zeros((*values.shape[:-2], len(towards)))
    for point in range(values.shape[-2]):
        along = values[..., point, 0, None] * inverse[0]
        for i in range(1, m):
            np.minimum(along, values[..., point, i, None] * inverse[i], out=along)
        np.maximum(best, along, out=best)
    result: Floats = best**m
    return result


def set_gains(values: Floats, front: Floats, towards: Floats) -> Floats:
    """Gain in (scaled) hypervolume of each set of points over the front; shape (...).

    Args:
        values: shape (..., points, m), as in `reach`.
        front: shape (k, m).
        towards: shape (directions, m).
    """
    there = reach(front, towards)
    sets = values.reshape(-1, *values.shape[-2:])
    found = np.empty(len(sets))
    for at in range(0, len(sets), _BLOCK):
        found[at : at + _BLOCK] = np.maximum(reach(sets[at : at + _BLOCK], towards) - there, 0.0).mean(axis=-1)
    gains: Floats = found.reshape(values.shape[:-2])
    return gains
