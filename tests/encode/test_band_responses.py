"""Weights of features: they predict what the model predicts, and show the planted response."""

import nibabel as nib
import numpy as np
import pytest

from helpers.encoding_files import SPACES, VOXELS, encode_settings, model, write_study
from tristream.cli import main
from tristream.encode import band_responses
from tristream.encode.band_responses import (
    _convolved,
    _standardised,
    curves_of_best,
    delays_of,
    primal_weights,
    response_curves,
    response_taps,
    write_responses,
)
from tristream.encode.bands import Form, band_kernels
from tristream.encode.dual_weights import read_dual_weights
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.training_features import TrainingFeatures
from tristream.errors import UserError
from tristream.store import read_table

THIRD = VOXELS // 3
RESPONSE = np.array([0.2, 1.0, 0.4, -0.5])
CASES = {
    "fir": {},
    "best": {"select": "best"},
    "items": {},
    "spm": {"hrf": "spm"},
    "stacking": {"kind": "stacking"},
}


def planted(study):
    """`net` drives the first third by one response; the rest is noise."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((SPACES["net/early"], THIRD))
    for name, y in study["y"].items():
        x = study["x"][name]["net/early"] @ weights
        signal = np.apply_along_axis(lambda v: np.convolve(v, RESPONSE)[: len(v)], 0, x)
        noise = rng.standard_normal(y.shape)
        noise[:, :THIRD] = 0.3 * noise[:, :THIRD] + signal / signal.std(0)
        q = study["runs"][name]["projection"]
        study["y"][name] = (noise - q @ (q.T @ noise)).astype("f4")


def planted_items(study):
    """The same, of items: their features are not centred, and zero before the run."""
    study["items"] = ["net/early"]
    for by_label in study["x"].values():
        by_label["net/early"] = by_label["net/early"] + 3
    planted(study)


@pytest.fixture(scope="module", params=CASES)
def fitted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    study = write_study(folder, change=planted_items if request.param == "items" else planted)
    settings = model(delays=["0-3 TR"], **CASES[request.param])
    output = folder / "encoding.h5"
    files = study["aligned"], study["bold"], study["samples"]
    fit_subject(encode_settings(settings), "01", *files, output)
    return request.param, output, read_encoding(output)[0]


def duals_of(fitted):
    _, path, encoding = fitted
    return read_dual_weights(path, encoding.fitted)


def test_weights_predict_what_the_dual_weights_predict(fitted):
    """Training data are predicted as residuals are penalty times dual weights."""
    _, path, encoding = fitted
    voxels = np.array([0, 5, 20])
    source = TrainingFeatures(encoding, path)
    about, runs = encoding.about, encoding.fitted.runs
    predicted = 0
    for band in encoding.bands:
        for label, weights in primal_weights(
            encoding, duals_of(fitted), source, band, voxels
        ).items():
            lead = Form.of(about).lead(label, about["delays"])
            standard, varies = _standardised(encoding, source(label), lead)
            parts = []
            for name, z in standard.items():
                delayed = sum(
                    _convolved(z, h) @ w[varies]
                    for h, w in zip(response_taps(encoding), weights, strict=True)
                )
                q = runs[name].projection
                delayed = delayed[lead:]
                parts.append((delayed - q @ (q.T @ delayed))[runs[name].rows])
            predicted = predicted + np.concatenate(parts)
    predicted = predicted - predicted.mean(0)
    if about["model_kind"] == "stacking":
        duals = duals_of(fitted)[..., voxels] * encoding.fitted.alpha[:, None, voxels]
        # Each band's residual is its penalty times its dual weights.
        mixed = (encoding.fitted.gamma[:, None, voxels] * duals).sum(0)
        expected = training(fitted, voxels) - mixed
    elif about["select"] == "best":
        mixed = duals_of(fitted)[:, voxels] * encoding.fitted.alpha[voxels]
        expected = training(fitted, voxels) - mixed
    else:
        form = Form.of(about)
        given = source, about["layout"], runs, list(runs), [], about["delays"]
        kernels = band_kernels(*given, form=form).train.numpy()
        weights = duals_of(fitted)[..., voxels] * encoding.fitted.gamma[:, None, voxels]
        expected = np.einsum("bij,bjv->iv", kernels, weights)
    # Kernels have a mean diagonal of 1; rounding grows as penalties fall below that.
    penalty = np.atleast_2d(encoding.fitted.alpha)[:, voxels].min(0)
    error = np.abs(predicted - (expected - expected.mean(0))).max(0)
    assert (error < 2e-6 + 5e-6 / penalty).all()


def training(fitted, voxels):
    from tristream.bold.run_file import read_run

    _, path, encoding = fitted
    return np.concatenate(
        [
            read_run(path.parent / f"{name}.h5").bold[run.rows][:, voxels].astype(float)
            for name, run in encoding.fitted.runs.items()
        ]
    )


def test_response_curves_show_the_planted_response(fitted):
    kind, path, encoding = fitted
    source = TrainingFeatures(encoding, path)
    curves = response_curves(
        encoding, duals_of(fitted), source, "ventral", np.arange(THIRD), chunk=5
    )
    mean = curves.curve.mean(1)
    if kind == "spm":
        # Another response than planted: that of the basis, not negative at its peak.
        assert len(mean) == 32
        return
    assert np.corrcoef(mean, RESPONSE)[0, 1] > 0.98
    assert np.corrcoef(curves.norm.mean(1), np.abs(RESPONSE))[0, 1] > 0.95
    silent = response_curves(encoding, duals_of(fitted), source, "dorsal", np.arange(THIRD))
    assert silent.norm.mean() < 0.3 * curves.norm.mean()


def test_curves_do_not_depend_on_how_many_voxels_are_read_at_once(fitted, monkeypatch):
    _, path, encoding = fitted
    source = TrainingFeatures(encoding, path)
    whole = response_curves(encoding, duals_of(fitted), source, "ventral", np.arange(THIRD))
    monkeypatch.setattr(band_responses, "BLOCK", 4)
    parts = response_curves(
        encoding, duals_of(fitted), source, "ventral", np.arange(THIRD), chunk=3
    )
    np.testing.assert_allclose(parts.norm, whole.norm, rtol=1e-9)
    np.testing.assert_allclose(parts.curve, whole.curve, atol=1e-9)


@pytest.mark.parametrize("columns", [0, 500])
def test_curves_are_those_of_the_weights_with_fewer_columns_than_volumes_and_with_more(
    fitted, columns
):
    _, path, encoding = fitted
    source, voxels = TrainingFeatures(encoding, path), np.arange(0, VOXELS, 7)
    assert sum(len(run.projection) for run in encoding.fitted.runs.values()) < 500

    def widened(label):
        rng = np.random.default_rng(1)
        return {
            name: np.hstack([x, rng.standard_normal((len(x), columns))])
            for name, x in source(label).items()
        }

    for band in encoding.bands:
        weights = np.concatenate(
            list(primal_weights(encoding, duals_of(fitted), widened, band, voxels).values()), axis=1
        )
        if Form.of(encoding.about).basis is not None:
            weights = np.einsum("kd,kpv->dpv", response_taps(encoding), weights)
        curves = response_curves(encoding, duals_of(fitted), widened, band, voxels)
        assert np.allclose(curves.norm, np.linalg.norm(weights, axis=1), rtol=1e-6)
        strongest = np.linalg.svd(weights.transpose(2, 0, 1), full_matrices=False)[0][..., 0]
        # Without weights any direction is as strong.
        some = curves.norm.any(0)
        assert np.allclose(np.abs(curves.curve[:, some]), np.abs(strongest.T[:, some]), atol=1e-5)


def test_table_has_the_regions_of_an_image(fitted, tmp_path, capsys):
    kind, path, encoding = fitted
    labels = np.zeros(encoding.shape, np.int16)
    labels[tuple(encoding.ijk[:THIRD].T)] = 7
    labels[tuple(encoding.ijk[THIRD:].T)] = 9
    image = tmp_path / "regions.nii.gz"
    nib.save(nib.Nifti1Image(labels, encoding.affine), image)
    output = tmp_path / "weights.tsv"
    command = ["encode", "weights", "--encoding", str(path), "--regions", str(image)]
    assert main([*command, "--threshold", "-1", "--output", str(output)]) == 0
    table, said = read_table(output, "weights")
    assert said.simulated
    assert set(table["region"].astype(str)) <= {"all", "7", "9"}
    own = table[(table["region"].astype(str) == "7") & (table["band"] == "ventral")]
    assert set(own["voxels"]) <= set(range(1, THIRD + 1))
    if kind == "fir":
        assert own["seconds"].tolist() == [0, 1, 2, 3]
        assert own["curve"].idxmax() == own["norm"].idxmax() == own.index[1]


def test_what_has_no_weights_is_refused(tmp_path):
    study = write_study(tmp_path)
    files = study["aligned"], study["bold"], study["samples"]
    cases = {
        "tcn": ({"kind": "tcn", "network": {"epochs": 1}}, "a network has no weights"),
        "rbf": ({"kernels": {"dorsal": "rbf"}}, "band dorsal is nonlinear"),
        "components": ({"components": 2}, "principal components"),
    }
    for name, (changes, match) in cases.items():
        path = tmp_path / f"{name}.h5"
        fit_subject(encode_settings(model(**changes), "m"), "01", *files, path)
        with pytest.raises(UserError, match=match):
            write_responses(path, tmp_path / "out.tsv")
        encoding, provenance = read_encoding(path)
        assert encoding.curves is None
        assert [match in o.why for o in provenance.omitted if "over delays" in o.what] == [True]
    fit_subject(encode_settings(model(), "m"), "01", *files, path)
    with pytest.raises(UserError, match="R² above 2"):
        write_responses(path, tmp_path / "out.tsv", threshold=2)
    with pytest.raises(UserError, match="can't be read as an image"):
        write_responses(path, tmp_path / "out.tsv", regions=study["samples"])


def test_a_fit_keeps_the_curves_of_the_voxels_that_training_data_predict_best(fitted, monkeypatch):
    _, path, encoding = fitted
    source, dual, kept = TrainingFeatures(encoding, path), duals_of(fitted), encoding.curves
    assert kept.places.tolist() == list(range(VOXELS))
    tr = encoding.about["tr"]
    assert kept.seconds.tolist() == [round(tr * delay, 3) for delay in delays_of(encoding)]
    for number, band in enumerate(encoding.bands):
        curves = response_curves(encoding, dual, source, band, np.arange(VOXELS))
        length = np.sqrt((curves.norm**2).sum(0))
        expected = np.where(length > 0, curves.curve, np.nan)
        assert np.allclose(kept.length[number], length, rtol=1e-4)
        assert np.allclose(kept.curve[number], expected, atol=1e-4, equal_nan=True)
    samples = sum(len(run.rows) for run in encoding.fitted.runs.values())
    products = samples * sum(SPACES.values()) * len(kept.seconds)
    monkeypatch.setattr(band_responses, "FEWEST_VOXELS", 7)
    monkeypatch.setattr(band_responses, "MOST_PRODUCTS", 7.5 * products)
    best = curves_of_best(encoding, dual, source).places
    assert sorted(encoding.fitted.cv[best]) == sorted(encoding.fitted.cv)[-7:]
    monkeypatch.setattr(band_responses, "FEWEST_VOXELS", 8)
    omitted = curves_of_best(encoding, dual, source)
    assert "`tristream encode weights` writes them by region" in omitted.why
