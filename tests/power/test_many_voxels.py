"""Few simulated voxels that stand for a brain give the power that all voxels give."""

import numpy as np

from helpers.inference_settings import planning
from helpers.power_designs import block, write_events
from tristream.power.design import read_design
from tristream.power.detection import Analysis
from tristream.power.many_voxels import ManyVoxels

BRAIN = {"voxels": 20_000, "driven": 0.01}


def power(folder, **changes):
    """Share of driven voxels that is found at each effect, 0 first."""
    settings = block(folder, effects=[0.5, 0.57], **changes)
    grid = Analysis(read_design("x", settings), planning(settings, permutations=300)).run()
    return grid.power[:, 0, 0].mean(-1)


def test_power_is_that_of_twenty_thousand_voxels(tmp_path):
    """Against the fits and tests of them all; two hundred voxels promise much more."""
    folder = write_events(tmp_path)
    direct = power(folder, **BRAIN, simulated=20_000, realisations=3)
    few = power(folder, **BRAIN, simulated=60, realisations=24)
    small = power(folder, voxels=200, driven=0.25, realisations=4)
    assert ((direct > 0.2) & (direct < 0.8)).any()
    np.testing.assert_allclose(few, direct, atol=0.05)
    assert (small - direct).max() > 0.2
    assert few[0] == direct[0] == 0


def test_a_thousand_permutations_find_nothing(tmp_path):
    """What ends at p = .001 passes no correction for so many."""
    folder = write_events(tmp_path)
    settings = block(folder, effects=[0.57], **BRAIN, realisations=2, delays=["1-4 TR"])
    given = planning(settings, permutations=1000, most_permutations=1000)
    grid = Analysis(read_design("x", settings), given).run()
    assert grid.power[1].mean() == 0
    assert grid.r[1].mean() > 0.3


def test_corrected_as_a_part_of_all():
    rng = np.random.default_rng(0)
    many = ManyVoxels(20_000, 200, 0.05, "bh", 0)
    driven, silent = np.repeat([1e-6, 0.3], [30, 20]), rng.random(50)
    seen = many.correct(silent, driven, 0.0, (0,))
    assert seen.power == 0.6
    assert seen.any
    assert 0 < seen.discoveries < 0.12
    # Steps of .001 are above what 200 of 20,000 have to reach.
    none = many.correct(silent, np.full(50, 0.001), 0.001, (0,))
    assert (none.power, none.any) == (0, False)
    # Nothing is added where all are there.
    whole = ManyVoxels(100, 50, 0.05, "bh", 0).correct(silent, driven, 0.0, (0,))
    assert whole.power == 0.6
