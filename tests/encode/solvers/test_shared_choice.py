"""One candidate for all targets of a region: against plain loops over scikit-learn's Ridge."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut

from tristream.encode.solvers import banded_ridge, ridge, ridge_regions
from tristream.encode.solvers.shared_choice import Regions, ranked

RUNS = np.repeat(np.arange(4), [24, 31, 20, 27])
ALPHAS = np.logspace(-1, 4, 6)
GAMMAS = banded_ridge.dirichlet_candidates(8, 2)
LABELS = np.array(["V1", "A1", "A1", "V1", "V2", "V2", "V2", "V1", "A1", "A1"])
SOLVERS = ["exact", "primal"]


def data(dtype=torch.float64, seed=0):
    """Ten targets whose signal to noise, so best penalty, differs within a region."""
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((len(RUNS), p)) for p in (5, 7)]
    signal = sum(b @ rng.standard_normal((b.shape[1], 10)) * rng.random(10) ** 2 for b in x)
    noise = signal.std(0) * rng.standard_normal(signal.shape) * rng.uniform(0.2, 5, 10)
    return x, torch.from_numpy(signal + noise + 2).to(dtype)


def fit(solver, x, y, labels=LABELS, gammas=GAMMAS, **options):
    """Weightings, penalties, scores and predictions for the training data, by either solver."""
    features = [torch.from_numpy(b) for b in x]
    if solver == "primal":
        found = ridge.fit(features, y, RUNS, gammas, ALPHAS, regions=labels, **options)
        model = found if found.average is None else found.average
        predicted = torch.cat(features, 1).to(y.dtype) @ model.weights + model.intercept
        return found.gamma, found.alpha, found.score, predicted, found.average
    grams = torch.stack([b @ b.T for b in features])
    found = banded_ridge.fit(
        grams, y, RUNS, gammas, ALPHAS, solver="exact", regions=labels, **options
    )
    duals, weights = found.duals, torch.from_numpy(gammas.T)[:, found.choice.gamma].to(y.dtype)
    level = found.intercept
    if found.average is not None:
        duals, weights, level = found.average.duals, found.average.gamma, found.average.intercept
    predicted = banded_ridge.predict(grams, duals, weights).sum(0) + level
    return found.choice.gamma, found.choice.alpha, found.choice.score, predicted, found.average


def looped(x, y, score, gammas=GAMMAS):
    """Scores (weightings, penalties, targets, runs) of scikit-learn's Ridge without each run."""
    out = np.empty((len(gammas), len(ALPHAS), y.shape[1], 4))
    for g, gamma in enumerate(gammas):
        joined = np.hstack([b * np.sqrt(w) for b, w in zip(x, gamma, strict=True)])
        for f, (train, test) in enumerate(LeaveOneGroupOut().split(joined, groups=RUNS)):
            for a, alpha in enumerate(ALPHAS):
                peer = Ridge(alpha, solver="svd").fit(joined[train], y[train])
                p, t = peer.predict(joined[test]), y[test]
                if score == "r2":
                    spread = ((t - t.mean(0)) ** 2).sum(0)
                    out[g, a, :, f] = 1 - ((t - p) ** 2).sum(0) / np.where(spread > 0, spread, 1)
                    out[g, a, spread == 0, f] = 0
                else:
                    out[g, a, :, f] = [
                        np.corrcoef(i, j)[0, 1] for i, j in zip(t.T, p.T, strict=True)
                    ]
    return out


def predictions(x, y, gamma, alpha):
    joined = np.hstack([b * np.sqrt(w) for b, w in zip(x, gamma, strict=True)])
    return Ridge(alpha, solver="svd").fit(joined, y).predict(joined)


@pytest.mark.parametrize("score", ["r2", "correlation"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("labels", [LABELS, np.zeros(10)], ids=["regions", "all one"])
def test_regions_take_the_candidate_of_a_plain_loop(solver, score, labels):
    x, y = data()
    gamma, alpha, found, predicted, _ = fit(solver, x, y, labels, score=score)
    table = looped(x, y.numpy(), score).mean(3)
    for name in np.unique(labels):
        own = labels == name
        mean = table[:, :, own].mean(2)
        g, a = np.unravel_index(mean.argmax(), mean.shape)
        assert (gamma[own] == g).all()
        assert (alpha[own] == a).all()
        assert found[own].numpy() == pytest.approx(table[g, a, own], abs=1e-9)
        expected = predictions(x, y[:, own].numpy(), GAMMAS[g], ALPHAS[a])
        assert predicted[:, own].numpy() == pytest.approx(expected, abs=1e-9)
    # Targets alone would have taken others.
    alone = fit(solver, x, y, None, score=score)
    assert (alone[1] != alpha).float().mean() > 0.3
    assert (alone[2] >= found - 1e-12).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("select", ["best", "average"])
def test_a_region_for_each_target_is_no_region(solver, select, monkeypatch):
    # Else candidates of little weight count in one pass, if they were near the best so far.
    for module in (ridge, ridge_regions):
        monkeypatch.setattr(module, "SMALLEST", 1e-200)
    x, y = data()
    each = fit(solver, x, y, np.arange(10)[::-1], select=select)
    none = fit(solver, x, y, None, select=select)
    assert torch.equal(each[0], none[0])
    assert torch.equal(each[1], none[1])
    assert torch.allclose(each[2], none[2], atol=1e-12)
    assert torch.allclose(each[3], none[3], atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_mean_of_candidates_is_one_of_a_region(solver):
    """Weights follow from the region's mean scores, and the temperature from their noise."""
    x, y = data()
    *_, predicted, average = fit(solver, x, y, select="average")
    table = looped(x, y.numpy(), "r2").reshape(-1, 10, 4)
    for name in np.unique(LABELS):
        own = name == LABELS
        mean = table[:, own].mean((1, 2))
        rise = (mean - mean.max()) / average.temperature
        kept = np.argsort(-rise)[:16] if solver == "exact" else np.arange(len(rise))
        weight = np.zeros(len(rise))
        weight[kept] = np.where(rise[kept] >= np.log(0.02), np.exp(rise[kept]), 0)
        weight /= weight.sum()
        expected = sum(
            w * predictions(x, y[:, own].numpy(), GAMMAS[c // 6], ALPHAS[c % 6])
            for c, w in enumerate(weight)
            if w
        )
        assert predicted[:, own].numpy() == pytest.approx(expected, abs=1e-6)
        mixed = weight.reshape(8, 6).sum(1) @ GAMMAS
        assert average.gamma[:, own].numpy() == pytest.approx(np.tile(mixed[:, None], own.sum()))
        assert average.number[own].numpy() == pytest.approx(1 / (weight**2).sum())
    if solver == "primal":  # Which measures it on all candidates.
        means = np.stack([table[:, name == LABELS].mean(1) for name in np.unique(LABELS)], 1)
        errors = []
        for own in means.swapaxes(0, 1):
            mean = own.mean(1)
            difference = own - own[mean.argmax()]
            near = (mean >= mean.max() - 0.01) & difference.any(1)
            errors.append((difference[near].std(1, ddof=1) / 2).mean())
        assert average.temperature == pytest.approx(np.median(errors))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("select", ["best", "average"])
def test_targets_that_do_not_vary_have_no_say(solver, select):
    x, y = data()
    more = torch.cat([y, torch.full((len(y), 3), 0.1)], 1)
    labels = np.append(LABELS, ["V1", "V1", "white matter"])
    few = fit(solver, x, y, select=select)
    many = fit(solver, x, more, labels, select=select)
    for one, two in zip(few[:4], many[:4], strict=True):
        assert torch.allclose(one, two[..., :10], atol=1e-12)
    assert (many[0][10:12] == few[0][0]).all()
    assert (many[1][10:12] == few[1][0]).all()
    # A region of which none varies takes the largest penalty, as such a target does.
    assert many[1][12] == len(ALPHAS) - 1
    assert (many[2][10:] == 0).all()
    assert torch.allclose(many[3][:, 10:], torch.tensor(0.1, dtype=y.dtype))
    none = fit(solver, x, more[:, 10:], np.zeros(3), select=select)
    assert (none[2] == 0).all()
    # One that is constant in a run has the score of the others there.
    partly = y.clone()
    partly[RUNS == 1, 0] = 3.0
    table = looped(x, partly.numpy(), "r2")[:, :, LABELS == "V1"].mean((2, 3))
    gamma, alpha, *_ = fit(solver, x, partly)
    assert (int(gamma[0]), int(alpha[0])) == np.unravel_index(table.argmax(), table.shape)


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_and_small_chunks_find_the_same(solver, monkeypatch):
    x, y = data()
    wide = fit(solver, x, y)
    monkeypatch.setattr(ridge, "VOXELS", 3)
    monkeypatch.setattr("tristream.encode.solvers.averaging.CHUNK", 2)
    narrow = fit(solver, x, y.float())
    assert torch.equal(narrow[0], wide[0])
    assert torch.equal(narrow[1], wide[1])
    assert torch.allclose(narrow[2].double(), wide[2], atol=2e-6)
    assert torch.allclose(narrow[3].double(), wide[3], atol=1e-4)
    averaged = [fit(solver, x, own, select="average")[3].double() for own in (y, y.float())]
    assert torch.allclose(*averaged, atol=1e-3)


def test_the_short_search_gives_way_and_tells():
    x, y = data()
    grams = torch.stack([torch.from_numpy(b @ b.T) for b in x])
    with pytest.warns(banded_ridge.ExactSearchWarning, match="a region's"):
        found = banded_ridge.fit(grams, y, RUNS, GAMMAS, ALPHAS, regions=LABELS)
    assert found.solver == "exact"
    assert torch.equal(found.choice.alpha, fit("exact", x, y)[1])


@pytest.mark.parametrize("solver", SOLVERS)
def test_labels_must_be_as_many_as_targets(solver):
    x, y = data()
    with pytest.raises(ValueError, match=r"regions of shape \(9,\) for 10 targets"):
        fit(solver, x, y, LABELS[:9])


def test_regions_are_numbered_as_they_come():
    regions = Regions.of(np.array(["b", "a", "b"]), torch.tensor([True, True, False]))
    assert regions.index.tolist() == [0, 1, 0]
    sums = regions.sums(torch.tensor([[1.0, 2.0, 5.0]]))
    assert regions.means(sums).tolist() == [[1.0, 2.0]]


def test_equal_scores_go_to_the_larger_penalty():
    table = torch.tensor([[0.1], [0.3], [0.3], [0.3], [0.2], [0.0]])
    chosen, scores = ranked(table, np.array([1.0, 10.0]), 4)
    assert chosen.tolist() == [[1, 3, 2, 4]]
    assert scores[0].tolist() == pytest.approx([0.3, 0.3, 0.3, 0.2])
