"""What lies on disk is what would be in memory."""

import mmap

import numpy as np
import pytest
import torch

from helpers.encoding_files import encode_settings, model, write_study
from tristream.encode import fit
from tristream.encode.disk_arrays import DiskArrays, forget
from tristream.encode.dual_weights import read_dual_weights
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject


def test_arrays_stay_in_memory_while_there_is_room(tmp_path):
    arrays = DiskArrays(tmp_path, room=100)
    first = arrays.zeros((20,))
    assert not mapped(first)
    second = arrays.zeros((5, 2))
    assert mapped(second)
    del first
    assert not mapped(arrays.zeros((20,)))
    second[:] = np.arange(10).reshape(5, 2)
    torch.from_numpy(second)[1] = 7
    arrays.forget()
    forget(second.T[1:])
    assert second.tolist() == [[0, 1], [7, 7], [4, 5], [6, 7], [8, 9]]
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_an_error_and_no_signal(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught:
        DiskArrays(tmp_path, room=0).zeros((1 << 46,))
    assert caught.value.filename == str(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [{}, {"select": "best"}, {"kind": "stacking"}],
    ids=["mean of candidates", "best candidate", "stacking"],
)
def test_a_fit_on_disk_and_in_parts_equals_one_in_memory(tmp_path, monkeypatch, changes):
    study = write_study(tmp_path)
    settings = encode_settings(model(**changes))
    files = study["aligned"], study["bold"], study["samples"]
    fit_subject(settings, "01", *files, tmp_path / "whole.h5")
    rooms = []

    def small(folder):
        rooms.append(folder)
        return DiskArrays(folder, room=0)

    monkeypatch.setattr(fit, "DiskArrays", small)
    for module, name in (("fit", "CHUNK"), ("ridge_models", "CHUNK"), ("repeats", "CHUNK")):
        monkeypatch.setattr(f"tristream.encode.{module}.{name}", 7)
    monkeypatch.setattr("tristream.encode.repeats.READ", 7)
    monkeypatch.setattr("tristream.encode.dual_weights.ROWS", 11)
    monkeypatch.setattr("tristream.encode.solvers.banded_ridge.RESTORED", 7)
    fit_subject(settings, "01", *files, tmp_path / "parts.h5")
    assert rooms == [tmp_path]
    whole, parts = (read_encoding(tmp_path / f"{name}.h5")[0] for name in ("whole", "parts"))
    assert len(whole.ijk) > 7
    for key in ("r", "r2", "band_r2", "low", "high"):
        same(getattr(whole.scores, key), getattr(parts.scores, key))
    for key in ("gamma", "alpha", "cv", "intercept"):
        same(getattr(whole.fitted, key), getattr(parts.fitted, key))
    same(
        *(
            read_dual_weights(tmp_path / f"{name}.h5", encoding.fitted)
            for name, encoding in (("whole", whole), ("parts", parts))
        )
    )
    for key in ("variance", "samples"):
        if whole.fitted.residuals is not None:
            same(getattr(whole.fitted.residuals, key), getattr(parts.fitted.residuals, key))
    for key in ("r", "low", "explainable", "halves"):
        same(getattr(whole.ceiling, key), getattr(parts.ceiling, key))
    for name, test in whole.tests.items():
        for key in ("prediction", "band_prediction", "y", "best_prediction"):
            same(getattr(test, key), getattr(parts.tests[name], key))


def same(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, memoryview) and isinstance(array.obj, mmap.mmap)
