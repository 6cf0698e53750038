"""Leave-one-run-out: the null refits every fold, and why it has to."""

import h5py
import numpy as np
import pytest
from scipy import signal

from helpers.encoding_files import encode_settings, model, write_study
from helpers.fixed_permutations import permutation_test
from helpers.inference_settings import inferring
from tristream.align import exchange
from tristream.encode.bands import band_kernels
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.prediction_scores import correlation
from tristream.encode.training_features import TrainingFeatures
from tristream.errors import UserError
from tristream.inference.encoding import infer_encoding
from tristream.inference.inference_file import read_inference
from tristream.inference.permutation import exchange_of_runs
from tristream.inference.refit import _row_orders, refit_null
from tristream.inference.resolution import Resolution, resolve
from tristream.inference.tested_runs import runs_of
from tristream.store import open_h5

SETTINGS = model(candidates=3, alphas={"lowest": -1, "highest": 4, "number": 6})


def fit(folder, change=None):
    study = write_study(folder, scheme="leave-one-run-out", change=change)
    path = folder / "encoding.h5"
    inputs = (study["aligned"], study["bold"], study["samples"])
    fit_subject(encode_settings(SETTINGS), "01", *inputs, path)
    return path


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("driven"))


def kernel_ridge(train, new, y, gamma, alpha):
    """Prediction of one voxel, written out."""
    penalised = np.einsum("b,bij->ij", gamma, train) + alpha * np.eye(len(y))
    return np.einsum("b,bij->ij", gamma, new) @ np.linalg.solve(penalised, y - y.mean())


def test_null_equals_fitting_the_permuted_data(driven):
    """As they are and one permutation, by kernel ridge written out."""
    encoding, _ = read_encoding(driven)
    moves = exchange_of_runs(runs_of(encoding), "time")
    found = refit_null(encoding, driven, moves, permutations=2, seed=1)
    orders = _row_orders(encoding, moves, 2, 1)
    features = TrainingFeatures(encoding, driven)
    names = list(encoding.tests)
    about, cv = encoding.about, np.maximum(encoding.fitted.cv, 0).astype(float)
    for number, given in ((0, found.observed), (2, found.every[1])):
        z, of_best = [], []
        for name in names:
            train = [other for other in names if other != name]
            kernels = band_kernels(
                features, about["layout"], encoding.fitted.runs, train, [name], about["delays"]
            )
            y = np.vstack([encoding.tests[n].y[orders[n][number]] for n in train]).astype(float)
            test = encoding.tests[name]
            matrices = kernels.train.numpy(), kernels.test[name].numpy()
            gamma = test.gamma.astype(float) @ cv / cv.sum()
            alpha = np.exp(test.models.log_alpha @ cv / cv.sum())
            own, best = np.zeros((2, *test.y.shape))
            for v in range(test.y.shape[1]):
                own[:, v] = kernel_ridge(*matrices, y[:, v], gamma, alpha)
                one = test.gamma[:, v].astype(float), float(test.alpha[v])
                best[:, v] = kernel_ridge(*matrices, y[:, v], *one)
            data = test.y[orders[name][number]]
            z.append(np.arctanh(correlation(data, own)))
            of_best.append(np.arctanh(correlation(data, best)))
        z, of_best = (np.mean(each, 0) for each in (z, of_best))
        assert np.sort(given) == pytest.approx(np.sort(np.tanh(z)), abs=1e-4)
        # Each voxel's own hyperparameters are another model.
        assert np.abs(z - of_best).max() > 1e-2


def test_blocks_move_within_their_run(driven):
    encoding, _ = read_encoding(driven)
    moves = exchange_of_runs(runs_of(encoding), "time")
    for name, order in _row_orders(encoding, moves, 5, seed=0).items():
        unit = encoding.tests[name].unit
        assert np.array_equal(order[0], np.arange(len(unit)))
        for one in order[1:]:
            assert np.array_equal(np.sort(one), np.arange(len(unit)))
        # A moved block is whole: 16 samples of one unit in a row.
        assert (np.diff(order[3][:16]) == 1).all()


def noise(study, voxels):
    """Give the study voxels of noise in place of its own."""
    rng = np.random.default_rng(3)
    for name, y in study["y"].items():
        q = study["runs"][name]["projection"]
        white = rng.standard_normal((len(y), voxels))
        fresh = signal.lfilter([1], [1, -0.4], white, axis=0)
        fresh -= q @ (q.T @ fresh)
        study["y"][name] = fresh / fresh.std(0)


def test_driven_voxels_are_significant_and_others_are_not(tmp_path):
    def eight_of_noise(study):
        driven = {name: y[:, :16] for name, y in study["y"].items()}
        noise(study, 8)
        study["y"].update({n: np.hstack([own, study["y"][n]]) for n, own in driven.items()})

    output = tmp_path / "inference.h5"
    infer_encoding(fit(tmp_path, eight_of_noise), inferring(permutations=300), output)
    with open_h5(output, "inference") as (file, _):
        assert file["significant"][:16].mean() > 0.9
        assert file["significant"][16:].sum() == 0
        assert "all folds refitted" in file.attrs["null"]


def test_refitting_keeps_the_error_rate_and_moving_predictions_does_not(tmp_path):
    path = fit(tmp_path, lambda study: noise(study, 1500))
    encoding, _ = read_encoding(path)
    runs = runs_of(encoding)
    moves = exchange_of_runs(runs, "time")
    refitted = resolve(refit_null(encoding, path, moves, 200), Resolution(first=200))
    moved = permutation_test(runs, moves, 200)
    assert 0.03 < (refitted.p < 0.05).mean() < 0.075
    assert (moved.p < 0.05).mean() > 0.09


def test_short_runs_have_no_p(driven, tmp_path, monkeypatch):
    """How much noise blocks of time share can't be known."""
    shortest = min(len(test.y) for test in read_encoding(driven)[0].tests.values())
    monkeypatch.setattr(exchange, "FEWEST_OF_RUN", shortest + 1)
    assert infer_encoding(driven, inferring(permutations=20), tmp_path / "none.h5").found is None
    (omitted, *_) = read_inference(tmp_path / "none.h5")[1].omitted
    assert f"has {shortest} samples" in omitted.why
    monkeypatch.setattr(exchange, "FEWEST_OF_RUN", shortest)
    assert infer_encoding(driven, inferring(permutations=20), tmp_path / "some.h5").found


def test_changed_features_are_refused(tmp_path):
    path = fit(tmp_path)
    with h5py.File(tmp_path / "net_early.h5", "r+") as file:
        file["runs/run-01"][0] += 1
    with pytest.raises(UserError, match=r"net_early\.h5: has changed since"):
        infer_encoding(path, inferring(permutations=20), tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def items(study):
    table = study["samples"]
    shown = table["row"] // 10
    table["item"] = "item" + shown.astype(str)
    table["unit"] = table["run"] + "/" + shown.astype(str)


@pytest.mark.parametrize(
    ("delays", "kernels", "refused"),
    [
        (["1 TR", "2 TR", "3 TR"], {"ventral": "rbf"}, True),
        (["1 TR", "2 TR", "3 TR"], {}, False),
        (["0 TR"], {"ventral": "rbf"}, False),
    ],
)
def test_items_of_several_runs_are_refused_where_their_answers_move_along(
    tmp_path, delays, kernels, refused
):
    """Where features can't be moved, volumes are, and take the end of the answer before along."""
    study = write_study(tmp_path, scheme="leave-one-run-out", change=items)
    path, output = tmp_path / "encoding.h5", tmp_path / "inference.h5"
    files = study["aligned"], study["bold"], study["samples"]
    settings = SETTINGS.model_copy(update={"delays": delays, "kernels": kernels})
    fit_subject(encode_settings(settings), "01", *files, path)
    tested = infer_encoding(path, inferring(unit="item", permutations=50), output)
    why = " ".join(omission.why for omission in read_inference(output)[1].omitted)
    assert ("answers to the item before" in why) == refused
    assert refused is (tested.found is None)
