"""How often 95 % intervals of r hold the truth, by design, noise and number of exchange units.

A film is cut into touching blocks of 20 s (TR 2 s) and cleaned of what is slower than 128 s, data
and prediction alike; its features are as slow as responses to films (autoregressive, .7). Items are
shown once in each of six runs, in orders of their own. Noise is white or autoregressive (.4, .7
from volume to volume; .4 from item to item). Each realisation has a stimulus of its own, which all
its voxels share: the interval is of other stimuli. Beside ours: a jackknife that takes units for
independent and normal, which intervals were before.

    python benchmarks/interval_coverage.py --realisations 400
"""

import argparse
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
from scipy.fft import dct, idct
from scipy.signal import lfilter

from tristream.encode.jackknife import FEWEST_UNITS, Groups, groups_of, interval, z_left_out

BLOCK, TR, SLOWEST, VOXELS, RUNS = 10, 2.0, 128.0, 50, 6
UNITS = (FEWEST_UNITS, 8, 15, 30)
TRUE = (0.0, 0.2, 0.6)
Array = np.ndarray


def serial(rng: np.random.Generator, rho: float, samples: int, columns: int) -> Array:
    """Series of variance one that depend on their own past."""
    white = rng.standard_normal((samples + 50, columns))
    return np.asarray(lfilter([np.sqrt(1 - rho**2)], [1, -rho], white, axis=0)[50:])


def cleaned(x: Array) -> Array:
    """Without cosines slower than 128 s."""
    waves = dct(x, axis=0, norm="ortho")
    waves[: int(2 * len(x) * TR / SLOWEST) + 1] = 0
    return np.asarray(idct(waves, axis=0, norm="ortho"))


@cache
def power(rho: float, samples: int) -> float:
    """What cleaning leaves of the variance of such a series."""
    return float((cleaned(serial(np.random.default_rng(0), rho, samples, 4000)) ** 2).mean())


def film(rng: np.random.Generator, units: int, r: float, rho: float) -> tuple:
    """Tests, groups, and the true r after cleaning."""
    samples = units * BLOCK
    prediction = serial(rng, 0.7, samples, 1)
    y = r * prediction + np.sqrt(1 - r**2) * serial(rng, rho, samples, VOXELS)
    unit = np.arange(samples) // BLOCK
    test = cleaned(y), cleaned(prediction) + np.zeros_like(y)
    signal, noise = r**2 * power(0.7, samples), (1 - r**2) * power(rho, samples)
    return [test], groups_of("time", [unit], [unit]), np.sqrt(signal / (signal + noise))


def items(rng: np.random.Generator, units: int, r: float, rho: float) -> tuple:
    """The same of items."""
    shown = rng.standard_normal((units, 1))
    orders = [rng.permutation(units) for _ in range(RUNS)]
    tests = []
    for order in orders:
        y = r * shown[order] + np.sqrt(1 - r**2) * serial(rng, rho, units, VOXELS)
        tests.append((y, shown[order] + np.zeros_like(y)))
    return tests, groups_of("item", [np.arange(units)] * RUNS, orders), r


def held(tests: list, groups: Groups, truth: float) -> tuple[float, float]:
    """Share of voxels whose interval holds the truth: ours, and the plain one."""
    z, left_out = z_left_out(tests, groups)
    found = interval(z, left_out, groups)
    plain = 1.96 * np.sqrt((len(groups) - 1) * left_out.var(0))
    wanted = np.arctanh(truth)
    inside = (found.low <= wanted) & (wanted <= found.high)
    return float(inside.mean()), float((np.abs(z - wanted) <= plain).mean())


def rows(realisations: int) -> Iterator[str]:
    """Rows of the table, as they are known."""
    cases = [("film", film, rho) for rho in (0.0, 0.4, 0.7)]
    cases += [("items × 6 runs", items, rho) for rho in (0.0, 0.4)]
    for (name, made, rho), units in product(cases, UNITS):
        cells = []
        for r in TRUE:
            rng = np.random.default_rng(units)
            cover = [held(*made(rng, units, r, rho)) for _ in range(realisations)]
            ours, plain = np.mean(cover, axis=0)
            cells.append(f"{ours:.3f} ({plain:.3f})")
        yield f"| {name} | {rho:g} | {units} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--realisations", type=int, default=400)
    args = parser.parse_args()
    head = ["design", "ρ of the noise", "units", *(f"r = {r:g}" for r in TRUE)]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows(args.realisations):
        print(row)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
