"""The decoding file gives back what was written, with a p value or without."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tristream.decode.decoding_file import Decoding, Voices, read_decoding, write_decoding
from tristream.store import Provenance

DECODING = Decoding(
    decoder="ridge",
    dataset="d",
    subject="1",
    scheme="holdout",
    classes=["face", "house"],
    run=["run-2"] * 4,
    unit=["run-2/0", "run-2/0", "run-2/1", "run-2/1"],
    true=np.array([0, 0, 1, 1]),
    predicted=np.array([0, 1, 1, 1]),
    decision=np.eye(4, 2),
    confusion=np.array([[1, 1], [0, 2]]),
    auc=np.array([0.5, np.nan]),
    recall=np.array([0.5, np.nan]),
    runs=["run-2"],
    accuracy_run=np.array([0.75]),
    accuracy=0.75,
    chance=0.49,
    chance_theory=0.5,
    balanced=0.5,
    balanced_low=0.4,
    balanced_high=np.nan,
    balanced_chance=0.48,
    permuted="labels of whole units within runs",
    log10_distinct=3.5,
    n_units=5,
    n_left_out=3,
    n_voxels=7,
    top=np.array([0.75, 1]),
    top_chance=np.array([0.5, 1]),
    patterns=np.arange(14.0).reshape(2, 7),
    ijk=np.arange(21).reshape(7, 3),
    voices=Voices(["majority", "lda"], *np.arange(14.0).reshape(7, 2)),
    null=np.array([0.25, 0.5, 0.75]),
    p=0.5,
)


@pytest.mark.parametrize("tested", [True, False])
def test_what_is_read_is_what_was_written(tmp_path, tested):
    decoding = DECODING if tested else replace(DECODING, null=np.empty(0), p=None)
    written = Provenance("decoding", True, {"k": 1}, "abc", methods=("A decoder decoded.",))
    write_decoding(tmp_path / "decoding.h5", decoding, written)
    found, provenance = read_decoding(tmp_path / "decoding.h5")
    assert provenance == written
    for one in fields(Voices):
        np.testing.assert_array_equal(
            getattr(found.voices, one.name), getattr(decoding.voices, one.name)
        )
    for one in fields(Decoding):
        if one.name == "voices":
            continue
        np.testing.assert_array_equal(getattr(found, one.name), getattr(decoding, one.name))
    assert (found.p is None) == (not tested)
