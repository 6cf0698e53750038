"""Kernels of bands: nonlinear and haemodynamic, against explicit delayed features."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import gamma

from helpers.encoding_files import DELAYS, SPACES, delayed, model, write_study
from tristream.align.delays import spm_basis
from tristream.config.models import EncodingModel
from tristream.encode.bands import Form, band_kernels
from tristream.encode.fit_inputs import read_inputs

TRAIN = [f"task-training_run-0{i}" for i in (1, 2, 3)]
TEST = "task-test_run-01"
LAYERS = {"ventral": ["net/early", "net/late"], "dorsal": ["motion/energy", "flow/speed"]}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("nonlinear"))


def found_kernels(study, form, components=None):
    inputs = read_inputs(model(), study["aligned"], study["bold"], study["samples"])
    return band_kernels(
        inputs.features, inputs.layout, inputs.runs, TRAIN, [TEST], DELAYS, components, form=form
    )


def explicit(study, label, make):
    """Standardised features of every run, changed in time by `make`, all volumes."""
    kept = np.vstack([study["x"][name][label][4:].astype("f4") for name in TRAIN])
    mean, scale = kept.mean(0, dtype=float), kept.std(0, dtype=float)
    return {n: make((study["x"][n][label].astype("f4") - mean) / scale) for n in (*TRAIN, TEST)}


def finished(study, kernel):
    """Project, select, centre and scale a kernel of all training and test volumes."""
    names = (*TRAIN, TEST)
    sizes = [len(study["y"][n]) for n in names]
    blocks = [study["runs"][n]["projection"] for n in names]
    out = np.zeros((sum(sizes), sum(sizes)))
    ends = np.cumsum(sizes)
    for q, end, size in zip(blocks, ends, sizes, strict=True):
        part = slice(end - size, end)
        out[part, part] = np.eye(size) - q @ q.T
    kernel = out @ kernel @ out
    used = np.concatenate([np.arange(4, s) + e - s for s, e in zip(sizes, ends, strict=True)])
    kernel = kernel[np.ix_(used, used)]
    n = sum(s - 4 for s in sizes[:3])
    train = kernel[:n, :n]
    centred = kernel[:, :n] - kernel[:, :n].mean(1, keepdims=True) - train.mean(0) + train.mean()
    return centred / np.trace(centred[:n]) * n, n


def used_training(study):
    sizes = [len(study["y"][n]) for n in TRAIN]
    ends = np.cumsum(sizes)
    return np.concatenate([np.arange(4, s) + e - s for s, e in zip(sizes, ends, strict=True)])


@pytest.mark.parametrize("kind", ["rbf", "polynomial"])
def test_nonlinear_kernel_is_that_of_delayed_features(study, kind):
    found = found_kernels(study, Form({"dorsal": kind}))
    expected = []
    for label in LAYERS["dorsal"]:
        x = np.vstack(list(explicit(study, label, delayed).values()))
        own = x[used_training(study)]
        if kind == "rbf":
            apart = cdist(own, own, "sqeuclidean")
            scale = np.median(apart[np.triu_indices(len(own), 1)])
            kernel = np.exp(-cdist(x, x, "sqeuclidean") / (2 * scale))
        else:
            kernel = (1 + x @ x.T / (own**2).sum(1).mean()) ** 2
        expected.append(finished(study, kernel))
    n = expected[0][1]
    mean = np.mean([k for k, _ in expected], 0)
    assert found.train[1].numpy() == pytest.approx(mean[:n], abs=2e-3 if kind == "rbf" else 1e-8)
    assert found.test[TEST][1].numpy() == pytest.approx(
        mean[n:], abs=5e-3 if kind == "rbf" else 1e-8
    )
    plain = found_kernels(study, Form())
    assert found.train[0].numpy() == pytest.approx(plain.train[0].numpy())


def test_haemodynamic_kernel_is_that_of_convolved_features(study):
    basis = spm_basis(1.0)

    def convolve(x):
        return np.hstack(
            [np.apply_along_axis(lambda v, h=h: np.convolve(v, h)[: len(v)], 0, x) for h in basis]
        )

    found = found_kernels(study, Form(basis=basis))
    for band, layers in enumerate(LAYERS.values()):
        kernels = []
        for label in layers:
            x = np.vstack(list(explicit(study, label, convolve).values()))
            kernels.append(finished(study, x @ x.T))
        n = kernels[0][1]
        # Layers of one space and spaces of one band weigh alike.
        mean = np.mean([k for k, _ in kernels], 0)
        assert found.train[band].numpy() == pytest.approx(mean[:n], abs=1e-9)
        assert found.test[TEST][band].numpy() == pytest.approx(mean[n:], abs=1e-9)


def test_components_of_a_nonlinear_band(study):
    """As many components as columns are the columns."""
    whole = found_kernels(study, Form({"ventral": "rbf"}))
    most = max(SPACES.values())
    same = found_kernels(study, Form({"ventral": "rbf"}), components=most)
    assert same.train[0].numpy() == pytest.approx(whole.train[0].numpy(), abs=1e-6)
    fewer = found_kernels(study, Form({"ventral": "rbf"}), components=2)
    assert abs(fewer.train[0] - whole.train[0]).max() > 0.1


def test_basis_is_that_of_spm():
    """A difference of two gamma densities, and how it changes with onset and dispersion."""
    lags = np.arange(16) * 2.0

    def response(onset=0.0, dispersion=1.0):
        late = 0.167 * gamma.pdf(lags - onset, 16)
        return gamma.pdf(lags - onset, 6 / dispersion, scale=dispersion) - late

    basis = spm_basis(2.0)
    expected = [
        response(),
        (response() - response(onset=0.1)) / 0.1,
        (response() - response(dispersion=1.01)) / 0.01,
    ]
    assert basis == pytest.approx(expected / np.linalg.norm(expected[0]), abs=5e-3)
    assert spm_basis(0.5).shape == (3, 64)


def test_form_comes_from_what_a_file_says():
    assert Form.of({"tr": 1.0, "hrf": "fir", "kernels": {}, "items": []}).basis is None
    about = {"tr": 2.0, "hrf": "spm", "kernels": {"a": "rbf"}, "items": []}
    assert Form.of(about).basis.shape == (3, 16)
    assert Form.of(about).kernels == {"a": "rbf"}


def test_a_kernel_of_no_band_is_refused():
    with pytest.raises(ValueError, match="kernels names b, not among the model's bands"):
        EncodingModel(datasets=["d"], bands={"a": ["x"]}, kernels={"b": "rbf"})
