"""Dual weights lie beside the encoding they belong to; those of another fit are refused."""

import numpy as np
import pytest

from helpers.encoding_files import encode_settings, model, write_study
from tristream.encode.band_responses import write_responses
from tristream.encode.dual_weights import read_dual_weights, weights_path, write_dual_weights
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.errors import UserError


@pytest.fixture
def fitted(tmp_path):
    def fit(name, **settings):
        study = write_study(tmp_path / name)
        files = study["aligned"], study["bold"], study["samples"]
        path = tmp_path / name / "encoding.h5"
        fit_subject(encode_settings(model(**settings)), "01", *files, path)
        return path, *read_encoding(path)

    return fit


def test_weights_are_read_as_they_were_written(fitted):
    path, encoding, provenance = fitted("one")
    found = read_dual_weights(path, encoding.fitted)
    samples = sum(len(run.rows) for run in encoding.fitted.runs.values())
    assert found.shape == (len(encoding.bands), samples, len(encoding.ijk))
    changed = np.random.default_rng(0).standard_normal((2, 1100, len(encoding.ijk)))
    write_dual_weights(path, changed, encoding.fitted, provenance)
    assert np.array_equal(read_dual_weights(path, encoding.fitted), changed.astype(np.float32))


def test_weights_that_were_dropped_or_are_of_another_fit_are_refused(fitted, tmp_path):
    path, encoding, _ = fitted("one")
    other, _, _ = fitted("other", candidates=2, seed=3)
    weights_path(path).write_bytes(weights_path(other).read_bytes())
    with pytest.raises(UserError, match=r"encoding_weights\.h5: belongs to another fit"):
        read_dual_weights(path, encoding.fitted)
    weights_path(path).unlink()
    with pytest.raises(UserError, match=r"encoding_weights\.h5: .* `keep_weights: true`$"):
        write_responses(path, tmp_path / "responses.tsv")
