"""Gain of hypervolume of sets of points, by random scalarisations. Needs only numpy and scipy.

The hypervolume that points y > 0 dominate above the origin is proportional to

    E_q [ max_y min_i (y_i / q_i)^m ]

over directions q that are uniform on the positive part of the unit sphere (Zhang and Golovin,
Random Hypervolume Scalarizations for Provable Multi-Objective Black Box Optimization,
arXiv:2006.04655). The gain of a set of points over a front is therefore the mean over directions of
how far the set's maximum exceeds the front's: for any number of objectives, without a box
decomposition.
"""

import numpy as np
from scipy.stats import norm, qmc

from deft_sweeps.sampler.front.array_type import Floats

_BLOCK_SIZE = 128
"""Sets that are evaluated at once: their intermediate arrays fit into a core's cache."""


def directions(n: int, m: int) -> Floats:
    """Evenly spread directions on the positive part of the unit sphere, shape (n, m).

    Args:
        n: number of directions, a power of 2.
        m: number of objectives; for more than two they follow a Sobol sequence.
    """
    if m == 2:
        angles = (np.arange(n) + 0.5) / n * np.pi / 2
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    uniform = qmc.Sobol(m, seed=0).random(n)
    half_normal = np.abs(norm.ppf(0.5 + uniform / 2 * (1 - 1e-9)))
    unit: Floats = half_normal / np.linalg.norm(half_normal, axis=1, keepdims=True)
    return unit


def scalarise(values: Floats, towards: Floats) -> Floats:
    """max_y min_i (y_i / q_i)^m of sets of points; its mean is proportional to the hypervolume.

    Args:
        values: sets of points, shape (..., points, m). Higher is better and 0 is the reference; a
            point below it in any objective contributes nothing.
        towards: directions q, shape (D, m).

    Returns:
        Shape (..., D).
    """
    m = values.shape[-1]
    inverse = 1.0 / towards.T
    best = np.zeros((*values.shape[:-2], len(towards)))
    for point in range(values.shape[-2]):
        smallest = values[..., point, 0, None] * inverse[0]
        for i in range(1, m):
            np.minimum(smallest, values[..., point, i, None] * inverse[i], out=smallest)
        np.maximum(best, smallest, out=best)
    result: Floats = best**m
    return result


def hypervolume_gains(values: Floats, front: Floats, towards: Floats) -> Floats:
    """Gain of (scaled) hypervolume of each set of points over the front, shape (...).

    Args:
        values: sets of points as for `scalarise`, shape (..., points, m).
        front: non-dominated points, shape (k, m).
        towards: directions q, shape (D, m).
    """
    of_front = scalarise(front, towards)
    sets = values.reshape(-1, *values.shape[-2:])
    gains = np.empty(len(sets))
    for start in range(0, len(sets), _BLOCK_SIZE):
        block = slice(start, start + _BLOCK_SIZE)
        gains[block] = np.maximum(scalarise(sets[block], towards) - of_front, 0.0).mean(axis=-1)
    result: Floats = gains.reshape(values.shape[:-2])
    return result
