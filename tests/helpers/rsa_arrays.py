"""Patterns and features of items as arrays, with known responses and known faults."""

import numpy as np


def shown(rng, items=12, runs=6, showings=1):
    """Each item in each run, in a new order each time: item and run of each showing."""
    item = np.concatenate(
        [rng.permutation(np.repeat(np.arange(items), showings)) for _ in range(runs)]
    )
    return item, np.repeat(np.arange(runs), items * showings)


def names(numbers, prefix="i"):
    """Numbers as text of equal length, so that sorting keeps their order."""
    return [f"{prefix}{number:03d}" for number in numbers]


def autocorrelated(rng, rows, voxels, rho=0.9):
    """Noise of the first order along rows."""
    noise = rng.standard_normal((rows, voxels))
    for k in range(1, rows):
        noise[k] = rho * noise[k - 1] + np.sqrt(1 - rho**2) * noise[k]
    return noise
