"""The encode stage on small files with a planted relation, and its scores and ceiling."""

import warnings
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from himalaya.backend import set_backend
from himalaya.scoring import r2_score, r2_score_split
from scipy import signal, stats
from sklearn.linear_model import Ridge

from helpers.encoding_files import (
    BANDS,
    DELAYS,
    SPACES,
    VOXELS,
    delayed,
    encode_settings,
    model,
    write_study,
)
from tristream.encode import prediction_scores as scores
from tristream.encode.bands import Form, band_kernels
from tristream.encode.ceiling import ceiling, repeat_power
from tristream.encode.dual_weights import read_dual_weights
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.fit_inputs import read_inputs, shifted
from tristream.encode.jackknife import groups_of
from tristream.errors import UserError
from tristream.store import open_h5

THIRD = VOXELS // 3


def fit(folder, study, settings=None, name="encoding.h5"):
    path = folder / name
    fit_subject(
        encode_settings(settings or model()),
        "01",
        study["aligned"],
        study["bold"],
        study["samples"],
        path,
        code="abc",
    )
    return read_encoding(path)


@pytest.fixture(scope="module")
def holdout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("holdout")
    study = write_study(folder)
    return folder, study, *fit(folder, study)


def test_driven_voxels_are_predicted_and_others_not(holdout):
    _, _, encoding, _ = holdout
    r = encoding.scores.r
    assert r[: 2 * THIRD].mean() > 0.6
    assert abs(r[2 * THIRD :]).mean() < 0.2
    ventral, dorsal = encoding.scores.band_r2
    assert (ventral > dorsal)[:THIRD].all()
    assert (dorsal > ventral)[THIRD : 2 * THIRD].all()
    assert encoding.fitted.gamma[0, :THIRD].mean() > 0.7


def test_bands_add_up_and_scores_are_those_of_the_stored_predictions(holdout):
    _, _, encoding, _ = holdout
    (unit,) = encoding.tests.values()
    assert unit.band_prediction.sum(0) == pytest.approx(unit.prediction, abs=1e-5)
    assert encoding.scores.band_r2.sum(0) == pytest.approx(encoding.scores.r2, abs=1e-5)
    expected = [
        stats.pearsonr(unit.y[:, v], unit.prediction[:, v]).statistic for v in range(VOXELS)
    ]
    assert encoding.scores.r == pytest.approx(expected, abs=1e-5)


def test_test_data_are_the_mean_over_repeats_of_the_kept_volumes(holdout):
    _, study, encoding, _ = holdout
    unit = encoding.tests["clip"]
    assert unit.runs == ("task-test_run-01", "task-test_run-02")
    assert unit.y == pytest.approx(np.mean([study["y"][r][4:] for r in unit.runs], 0), abs=1e-6)
    assert unit.unit.tolist() == [0] * 16 + np.repeat(np.arange(1, 6), 20).tolist()
    assert encoding.about["n_repeats"] == 2
    assert encoding.ceiling is not None
    # Signal and noise are equally strong: the average of two has 2/3 signal.
    assert encoding.ceiling.explainable[: 2 * THIRD].mean() == pytest.approx(2 / 3, abs=0.12)
    assert abs(encoding.ceiling.explainable[2 * THIRD :].mean()) < 0.25


def test_file_says_what_it_is(holdout):
    folder, _, encoding, provenance = holdout
    assert provenance.simulated
    assert provenance.code == "abc"
    assert provenance.config["block"]["bands"] == BANDS
    assert not provenance.omitted
    about = encoding.about
    assert (about["model"], about["subject"], about["scheme"]) == ("streams", "01", "holdout")
    assert about["delays"] == list(DELAYS)
    assert about["layout"] == {
        "ventral": [["net/early", "net/late"]],
        "dorsal": [["motion/energy"], ["flow/speed"]],
    }
    with h5py.File(folder / "encoding.h5") as file:
        assert file["test/clip/band_prediction"].dtype == np.float32
        assert file["hyper/gamma"].shape == (2, VOXELS)


def explicit(study, train):
    """Delayed, projected, selected and balanced features of every run, written out."""
    weight = {"net/early": 0.5, "net/late": 0.5, "motion/energy": 0.5, "flow/speed": 0.5}
    out = {name: [] for name in study["y"]}
    for label in SPACES:
        kept = np.vstack([study["x"][name][label][4:].astype("f4") for name in train])
        mean, scale = kept.mean(0, dtype=float), kept.std(0, dtype=float)
        parts = {}
        for name in study["y"]:
            x = delayed((study["x"][name][label].astype("f4") - mean) / scale)
            q = study["runs"][name]["projection"]
            parts[name] = (x - q @ (q.T @ x))[4:]
        stacked = np.vstack([parts[name] for name in train])
        centre = stacked.mean(0)
        size = np.sqrt(((stacked - centre) ** 2).sum() / len(stacked) / weight[label])
        for name, x in parts.items():
            out[name].append((x - centre) / size)
    return out


@pytest.mark.parametrize("solver", ["search", "gradient"])
def test_fit_equals_ridge_on_explicit_features(holdout, tmp_path, solver):
    """Delays, projection, selection, balance and refit: the mean of scikit-learn's models."""
    _, study, encoding, _ = holdout
    if solver == "gradient":
        encoding, _ = fit(tmp_path, study, model(solver=solver))
    train = [name for name in study["y"] if "training" in name]
    features = explicit(study, train)
    y = np.vstack([study["y"][name][4:] for name in train])
    models = encoding.fitted.models
    assert ((models.share > 0).sum(0).max() > 2) == (solver == "search")
    for v in (0, THIRD, VOXELS - 1):
        expected = 0
        for one, share in zip(models.index[:, v], models.share[:, v], strict=True):
            root = np.sqrt(models.gamma[:, one])
            weights = [root[0], root[0], root[1], root[1]]

            def weighted(name, weights=weights):
                return np.hstack([w * x for w, x in zip(weights, features[name], strict=True)])

            peer = Ridge(float(models.alpha[one]), solver="svd")
            peer.fit(np.vstack([weighted(name) for name in train]), y[:, v])
            made = [peer.predict(weighted(r)) for r in encoding.tests["clip"].runs]
            expected = expected + share * np.mean(made, 0)
        found = encoding.tests["clip"].prediction[:, v] + encoding.fitted.intercept[v]
        assert found == pytest.approx(expected, abs=2e-5)
        assert encoding.fitted.gamma[:, v] == pytest.approx(
            models.gamma[:, models.index[:, v]] @ models.share[:, v], abs=1e-6
        )


def test_projection_and_censoring_hold_for_features_as_for_bold(tmp_path):
    def censor(study):
        table = study["samples"]
        rng = np.random.default_rng(0)
        hit = (rng.random(len(table)) < 0.1) & (table["row"] > 4)
        table.loc[hit, "censor"] = True

    study = write_study(tmp_path, change=censor)
    inputs = read_inputs(model(), study["aligned"], study["bold"], study["samples"])
    train = [name for name, run in inputs.runs.items() if run.split == "train"]
    test = ["task-test_run-01"]
    found = band_kernels(
        inputs.features, {"only": [["net/early"]]}, inputs.runs, train, test, DELAYS
    )
    kept = np.vstack([study["x"][n]["net/early"].astype("f4")[inputs.runs[n].rows] for n in train])
    delayed_runs = {}
    for name in (*train, *test):
        x = study["x"][name]["net/early"].astype("f4")
        x = delayed((x - kept.mean(0, dtype=float)) / kept.std(0, dtype=float))
        q = inputs.runs[name].projection
        delayed_runs[name] = (x - q @ (q.T @ x))[inputs.runs[name].rows]
    x = np.vstack([delayed_runs[n] for n in train])
    new = delayed_runs[test[0]] - x.mean(0)
    x = x - x.mean(0)
    size = (x**2).sum() / len(x)
    assert found.train[0].numpy() == pytest.approx(x @ x.T / size, abs=1e-10)
    assert found.test[test[0]][0].numpy() == pytest.approx(new @ x.T / size, abs=1e-10)


@pytest.mark.parametrize("kind", ["linear", "polynomial"])
def test_nothing_was_shown_before_a_run(tmp_path, kind):
    """Features of items are zero before the first volume, and not their mean; kernels, by hand."""

    def change(study):
        study["items"] = ["net/early"]
        for by_label in study["x"].values():
            by_label["net/early"] = by_label["net/early"] + 5

    study = write_study(tmp_path, change=change)
    inputs = read_inputs(model(), study["aligned"], study["bold"], study["samples"])
    assert inputs.items == ("net/early",)
    train, test = [n for n, run in inputs.runs.items() if run.split == "train"], "task-test_run-01"
    layout = {"only": [["net/early"]]}
    kinds = {"only": kind}
    form = Form(kinds, items=frozenset(inputs.items))
    found = band_kernels(inputs.features, layout, inputs.runs, train, [test], DELAYS, form=form)
    x = {n: study["x"][n]["net/early"].astype("f4") for n in (*train, test)}
    kept = np.vstack([x[n][inputs.runs[n].rows] for n in train])
    mean, scale = kept.mean(0, dtype=float), kept.std(0, dtype=float)
    # Uncentred: what is added to all volumes alike goes when the training mean is taken.
    led = {n: delayed(np.vstack([np.zeros((3, x[n].shape[1])), x[n]]) / scale)[3:] for n in x}
    if kind == "linear":
        parts = []
        for name in (*train, test):
            centred = led[name] - np.tile(mean / scale, len(DELAYS))
            q = inputs.runs[name].projection
            parts.append((centred - q @ (q.T @ centred))[inputs.runs[name].rows])
        new, fitted_on = parts[-1], np.vstack(parts[:-1])
        new, fitted_on = new - fitted_on.mean(0), fitted_on - fitted_on.mean(0)
        size = (fitted_on**2).sum() / len(fitted_on)
        assert found.train[0].numpy() == pytest.approx(fitted_on @ fitted_on.T / size, abs=1e-10)
        assert found.test[test][0].numpy() == pytest.approx(new @ fitted_on.T / size, abs=1e-10)
    mistaken = band_kernels(
        inputs.features, layout, inputs.runs, train, [test], DELAYS, form=Form(kinds)
    )
    assert not np.allclose(mistaken.train[0], found.train[0], atol=1e-2)


def test_items_shown_first_are_predicted_as_well_as_others(tmp_path):
    """Runs begin with an item; filling the past with the mean item spoils their first volumes."""
    rng = np.random.default_rng(1)
    short, p, voxels = 12, 8, 40
    weights = rng.standard_normal((p * len(DELAYS), voxels))
    x = {f"run-{k}": rng.exponential(size=(short, p)) + 2 for k in range(30)}
    led = {n: delayed(np.vstack([np.zeros((3, p)), v]))[3:] @ weights for n, v in x.items()}
    runs = {n: SimpleNamespace(projection=np.zeros((short, 0)), rows=np.arange(short)) for n in x}
    train, test = list(x)[:20], list(x)[20:]
    r = {}
    for items in (frozenset(), frozenset({"a"})):
        found = band_kernels(
            lambda _: x, {"b": [["a"]]}, runs, train, test, DELAYS, form=Form(items=items)
        )
        y = np.concatenate([led[n] for n in train])
        y = y + 0.3 * y.std() * np.random.default_rng(2).standard_normal(y.shape)
        kernel = found.train[0].numpy()
        dual = np.linalg.solve(kernel + 0.1 * np.eye(len(kernel)), y - y.mean(0))
        predicted = np.concatenate([found.test[n][0].numpy() @ dual for n in test])
        truth = np.concatenate([led[n] for n in test])
        r[bool(items)] = scores.correlation(truth, predicted).mean()
    assert r[True] > 0.95
    assert r[False] < r[True] - 0.1


def test_leave_one_run_out_predicts_every_run_once(tmp_path):
    study = write_study(tmp_path, scheme="leave-one-run-out")
    encoding, provenance = fit(tmp_path, study)
    assert list(encoding.tests) == list(study["y"])
    assert encoding.ceiling is None
    assert "ceiling" in [o.what for o in provenance.omitted]
    per_run = [scores.correlation(t.y, t.prediction) for t in encoding.tests.values()]
    assert encoding.scores.r == pytest.approx(np.tanh(np.arctanh(per_run).mean(0)), abs=1e-5)
    assert encoding.scores.r[: 2 * THIRD].mean() > 0.5
    assert abs(encoding.scores.r[2 * THIRD :].mean()) < 0.1
    dual = read_dual_weights(tmp_path / "encoding.h5", encoding.fitted)
    assert dual.shape[-2] == sum(len(y) - 4 for y in study["y"].values())


def test_test_runs_leave_no_trace_in_the_fit(tmp_path, holdout):
    """Other test features and BOLD: the same hyperparameters and weights."""
    folder, _, encoding, _ = holdout

    def change(study):
        rng = np.random.default_rng(9)
        for name in study["y"]:
            if "test" in name:
                study["y"][name] = rng.standard_normal(study["y"][name].shape)
                for label, x in study["x"][name].items():
                    study["x"][name][label] = 10 * x + 100

    other, _ = fit(tmp_path, write_study(tmp_path, change=change))
    for key in ("gamma", "alpha", "cv", "intercept"):
        assert np.array_equal(getattr(other.fitted, key), getattr(encoding.fitted, key))
    assert np.array_equal(
        read_dual_weights(tmp_path / "encoding.h5", other.fitted),
        read_dual_weights(folder / "encoding.h5", encoding.fitted),
    )
    assert not np.allclose(other.scores.r, encoding.scores.r)


def test_a_run_without_features_is_left_out_and_named(tmp_path):
    """A test run in which every band is blank, as of imagery; a band alone leaves none out."""
    study = write_study(tmp_path)
    *others, last = [name for name in study["y"] if "test" in name]
    for number, path in enumerate(study["aligned"]):
        with h5py.File(path, "r+") as file:
            file[f"runs/{last}"].attrs["blank"] = True
            if number:
                file[f"runs/{others[0]}"].attrs["blank"] = True
    inputs = read_inputs(model(), study["aligned"], study["bold"], study["samples"])
    assert last not in inputs.runs
    assert others[0] in inputs.runs
    assert [one.what for one in inputs.omitted] == [f"run {last}"]
    for path in study["aligned"]:
        with h5py.File(path, "r+") as file:
            for values in file["runs"].values():
                values.attrs["blank"] = True
    with pytest.raises(UserError, match="no run shows anything that has these features"):
        read_inputs(model(), study["aligned"], study["bold"], study["samples"])


def test_shifted_features_predict_nothing(tmp_path, holdout):
    _, study, *_ = holdout
    encoding, _ = fit(tmp_path, study, model(control="shifted"))
    assert abs(encoding.scores.r.mean()) < 0.1
    assert encoding.about["control"] == "shifted"


def test_shift_moves_the_stimulated_volumes_alone():
    values = np.arange(10.0)[:, None]
    on = np.array([0, 0, 1, 1, 1, 1, 1, 1, 0, 0], bool)
    assert shifted(values, on)[:, 0].tolist() == [0, 1, 5, 6, 7, 2, 3, 4, 8, 9]


def test_components_are_fewer_and_still_predict(tmp_path, holdout):
    _, study, *_ = holdout
    encoding, _ = fit(tmp_path, study, model(components=2))
    assert encoding.about["components"] == 2
    assert encoding.scores.r[: 2 * THIRD].mean() > 0.3


def test_a_space_counts_the_same_whatever_its_number_of_columns(tmp_path, holdout):
    """Repeating a space's columns a hundred times changes nothing."""
    _, _, plain, _ = holdout
    study = write_study(tmp_path)
    with h5py.File(study["aligned"][-1], "r+") as file:
        for name in list(file["runs"]):
            values = np.tile(file["runs"][name][()], (1, 100))
            del file["runs"][name]
            file["runs"][name] = values
    many, _ = fit(tmp_path, study)
    assert many.scores.r == pytest.approx(plain.scores.r, abs=1e-5)


def test_same_inputs_give_equal_arrays(tmp_path, holdout):
    folder, study, *_ = holdout
    fit(tmp_path, study)
    with (
        open_h5(folder / "encoding.h5", "encoding") as (one, _),
        open_h5(tmp_path / "encoding.h5", "encoding") as (two, _),
    ):

        def same(name, item):
            if isinstance(item, h5py.Dataset):
                # NaN: a voxel whose near-best candidates all leave a band out has no curve for it.
                known = item.dtype.kind == "f"
                assert np.array_equal(item[()], two[name][()], equal_nan=known), name

        one.visititems(same)


def test_scores_equal_himalaya():
    rng = np.random.default_rng(0)
    y = rng.standard_normal((80, 7))
    parts = rng.standard_normal((3, 80, 7)) * 0.3 + 0.2 * y
    y, parts = y - y.mean(0), parts - parts.mean(1, keepdims=True)
    set_backend("numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = r2_score_split(y, parts)
    found = scores.split_r2(y + 3, parts + 5)
    assert found == pytest.approx(expected, abs=1e-10)
    assert found.sum(0) == pytest.approx(r2_score(y, parts.sum(0)), abs=1e-10)


def test_voxels_that_do_not_vary_score_zero():
    y = np.ones((20, 2))
    assert scores.correlation(y, np.random.default_rng(0).random((20, 2))).tolist() == [0, 0]
    assert scores.split_r2(y, np.ones((1, 20, 2))).tolist() == [[0, 0]]


def ceiling_of_blocks(y, blocks):
    groups = groups_of("time", [blocks], [blocks])
    return ceiling(repeat_power([y], groups.codes, len(groups)), groups)


def simulated_repeats(rng, explainable, repeats=3, volumes=240, voxels=400):
    """Smooth signal and autocorrelated noise; the share of signal in the average is known."""
    signal_ = signal.lfilter([1], [1, -0.8], rng.standard_normal((volumes, voxels)), axis=0)
    noise = signal.lfilter([1], [1, -0.5], rng.standard_normal((repeats, volumes, voxels)), axis=1)
    signal_ /= signal_.std(0)
    noise /= noise.std(1, keepdims=True)
    noise *= np.sqrt(repeats * (1 - explainable) / max(explainable, 1e-9))
    return (signal_ if explainable else 0) + noise, signal_


@pytest.mark.parametrize("explainable", [0.0, 0.1, 0.4, 0.8])
def test_ceiling_recovers_the_correlation_with_the_noise_free_signal(explainable):
    rng = np.random.default_rng(1)
    y, truth = simulated_repeats(rng, explainable)
    found = ceiling_of_blocks(y, np.arange(240) // 20)
    assert found.explainable.mean() == pytest.approx(explainable, abs=0.05)
    if explainable:
        r = scores.correlation(y.mean(0), truth).mean()
        assert np.sqrt(found.explainable.mean()) == pytest.approx(r, abs=0.05)
        assert (found.low <= found.r).all()
    # The lower end is rarely above the truth.
    assert (found.low > np.sqrt(explainable) + 1e-9).mean() < 0.06


def test_ceiling_without_enough_blocks_has_no_lower_bound():
    rng = np.random.default_rng(1)
    y, _ = simulated_repeats(rng, 0.5, volumes=60, voxels=5)
    found = ceiling_of_blocks(y, np.arange(60) // 20)
    assert np.isnan(found.low).all()
    assert np.isfinite(found.r).all()
