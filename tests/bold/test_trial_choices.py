"""Choices are those of GLMsingle's own code, whose outputs on a small world are kept."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from sklearn.decomposition import PCA

from helpers.reference import glmsingle_outputs as peer
from helpers.small_study import REPO
from tristream.bold import trial_choices
from tristream.bold.cleaning import project_out, projection_basis
from tristream.bold.single_trials import estimated
from tristream.bold.trial_choices import (
    Choices,
    Repeats,
    TrainingRun,
    choose,
    components_of,
    few_enough,
    tail_threshold,
)
from tristream.bold.trial_designs import RunDesigns
from tristream.bold.trial_fit import Design

BASIS = projection_basis(peer.VOLUMES)


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(REPO / "tests/data/glmsingle.npz") as file:
        return dict(file)


def runs() -> list[TrainingRun]:
    """The peer's world, with its designs."""
    made, nothing = peer.world(), np.zeros((peer.VOLUMES, 0))
    designs = []
    for response in peer.library().T:
        columns = np.zeros((peer.VOLUMES + 40, peer.TRIALS))
        for trial, onset in enumerate(made["onsets"]):
            columns[onset : onset + len(response), trial] = response
        designs.append(Design(project_out(columns[: peer.VOLUMES], BASIS), nothing))
    return [
        TrainingRun(
            designs,
            designs[1],
            [str(item) for item in items],
            np.ones(peer.TRIALS, bool),
            "",
            reader(bold),
        )
        for bold, items in zip(made["bold"], made["items"], strict=True)
    ]


def reader(bold: np.ndarray) -> Callable[[slice], np.ndarray]:
    left = project_out(bold.T.astype(float), BASIS)
    return lambda voxels: left[:, voxels]


@pytest.fixture(scope="module")
def chosen(reference: dict[str, np.ndarray]) -> Choices:
    """With the peer's threshold, which lies on a grid of 500 values."""
    brightness = np.mean([bold.mean(axis=1) for bold in peer.world()["bold"]], axis=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial_choices, "tail_threshold", lambda _: float(reference["threshold"]))
        return choose(runs(), brightness, 10)


def test_responses_and_the_noise_pool_are_glmsingles(
    chosen: Choices, reference: dict[str, np.ndarray]
) -> None:
    np.testing.assert_allclose(chosen.explained, reference["onoff"], atol=1e-6)
    np.testing.assert_array_equal(chosen.response, reference["response"])
    np.testing.assert_array_equal(chosen.pool, reference["pool"])
    step = (reference["onoff"].max() - reference["onoff"].min()) / 499
    assert abs(tail_threshold(reference["onoff"]) - reference["threshold"]) < step


def test_components_and_fractions_are_glmsingles(
    chosen: Choices, reference: dict[str, np.ndarray]
) -> None:
    assert chosen.components == int(reference["components"]) > 0
    np.testing.assert_allclose(chosen.errors, reference["errors"], rtol=1e-5)
    # The peer interpolates penalties on a coarser grid; near-ties fall to the next fraction.
    apart = np.abs(chosen.fraction - reference["fraction"])
    assert (apart < 1e-6).mean() > 0.97
    assert apart.max() < 0.051


def test_estimates_are_glmsingles(chosen: Choices, reference: dict[str, np.ndarray]) -> None:
    """To 1.5 % of their spread where the fraction is the same."""
    free = Choices(**{**vars(chosen), "components": 0, "penalty": np.zeros(peer.VOXELS)})
    found = {
        name: np.concatenate(
            [
                estimated(
                    run.read(slice(None)),
                    RunDesigns(tuple(run.designs), run.canonical, run.estimable),
                    choices,
                )
                for run in runs()
            ]
        )
        for name, choices in (("ridge", chosen), ("free", free))
    }
    plain = (found["free"] - chosen.offset) / chosen.scale
    np.testing.assert_allclose(plain, reference["least_squares"].T, atol=1e-3)
    same = np.abs(chosen.fraction - reference["fraction"]) < 1e-6
    theirs = reference["estimates"].T
    apart = np.abs(found["ridge"] - theirs)[:, same]
    assert apart.max() < 0.015 * theirs.std()
    assert np.median(apart) < 1e-3 * theirs.std()
    assert np.corrcoef(found["ridge"].ravel(), theirs.ravel())[0, 1] > 0.9999


def test_errors_are_sums_over_pairs_of_one_item_in_two_runs() -> None:
    made = runs()[:3]
    made[1] = TrainingRun(**{**vars(made[1]), "session": "ses-b"})
    made[2].estimable[4] = False
    rng = np.random.default_rng(0)
    free, ridge = rng.normal(size=(2, 3 * peer.TRIALS, 2))
    repeats = Repeats.of(made)
    (found,) = repeats.errors(free, iter([ridge]))
    items = [item for run in made for item in run.items]
    run_of = np.repeat([0, 1, 2], peer.TRIALS)
    usable = np.concatenate([run.estimable for run in made])
    wanted = np.zeros(2)
    scaled = {"free": free.copy(), "ridge": ridge.copy()}
    for runs_of_session in ([0, 2], [1]):
        rows = np.isin(run_of, runs_of_session) & usable
        for values in scaled.values():
            values[rows] = (values[rows] - free[rows].mean(axis=0)) / free[rows].std(axis=0, ddof=1)
    for a, b in product(range(len(items)), repeat=2):
        if items[a] == items[b] and run_of[a] != run_of[b] and usable[a] and usable[b]:
            wanted += (scaled["ridge"][a] - scaled["free"][b]) ** 2
    np.testing.assert_allclose(found, wanted)


def test_components_are_those_of_a_pca_of_the_pool() -> None:
    rng = np.random.default_rng(0)
    bold = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 300)) + rng.normal(size=(50, 300))
    bold = project_out(bold, projection_basis(50))
    pool = rng.random(300) < 0.5
    found = components_of(lambda voxels: bold[:, voxels], pool, 4)
    scaled = bold[:, pool] / np.linalg.norm(bold[:, pool], axis=0)
    # Voxels as samples, not centred over them: rows and their negatives.
    wanted = PCA(4).fit(np.vstack([scaled.T, -scaled.T])).components_
    np.testing.assert_allclose(np.abs(np.sum(found.T * wanted, axis=1)), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("errors", "number"),
    [([9, 5, 4, 4.1], 2), ([9, 5, 4.9, 4.85], 1), ([5, 6, 7], 0), ([5, 4, 4, 6], 1)],
)
def test_as_few_components_as_do(errors: list[float], number: int) -> None:
    assert few_enough(np.array(errors)) == number


def test_a_threshold_between_two_kinds_of_voxels() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.01, 0.005, 2000), rng.normal(0.2, 0.05, 500)])
    assert 0.02 < tail_threshold(values) < 0.1
    assert tail_threshold(np.zeros(5)) == 0
