"""Arrays of responses in the formats in which they are kept."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from tristream.bold.stored_arrays import open_array
from tristream.errors import UserError

VALUES = np.arange(12.0).reshape(4, 3)


def read(path: Path, variable: str | None = None) -> np.ndarray:
    with open_array(path, variable) as stored:
        return np.asarray(stored.read((slice(1, 3), slice(None))))


@pytest.mark.parametrize("header", ["", "a\tb\tc\n"])
def test_tables_with_and_without_a_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "betas.tsv"
    path.write_text(header + "\n".join("\t".join(map(str, row)) for row in VALUES) + "\n")
    np.testing.assert_array_equal(read(path), VALUES[1:3])


def test_matlab_5_and_7_3_are_in_matlabs_order(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "old.mat", {"betas": VALUES, "more": VALUES.T})
    with h5py.File(tmp_path / "new.mat", "w") as file:
        file["betas"] = VALUES.T  # what MATLAB writes of VALUES
    for name in ("old", "new"):
        np.testing.assert_array_equal(read(tmp_path / f"{name}.mat"), VALUES[1:3])
    np.testing.assert_array_equal(read(tmp_path / "old.mat", "more"), VALUES.T[1:3])


class Harm:
    """What a pickle may do."""

    def __reduce__(self):
        return (open, ("harm.txt", "w"))


@pytest.mark.parametrize("how", ["object array", "bare pickle"])
def test_a_pickle_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "TYPED_FITHRF_GLMDENOISE_RR.npy"
    if how == "object array":
        np.save(path, np.array({"betasmd": Harm()}, dtype=object), allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(Harm()))
    with pytest.raises(UserError, match=r"is a Python pickle .* h5py\.File") as told:
        read(path)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "harm.txt").exists()


def test_which_array_is_asked_where_it_is_not_clear(tmp_path: Path) -> None:
    path = tmp_path / "several.h5"
    with h5py.File(path, "w") as file:
        file["one"], file["two"], file["names"] = VALUES, VALUES, np.array([b"a", b"b"])
    with pytest.raises(UserError, match=r"which array .* one 4×3, two 4×3; name it"):
        read(path)
    with pytest.raises(UserError, match=r"no array of numbers 'three' \(it has one 4×3"):
        read(path, "three")
    np.testing.assert_array_equal(read(path, "two"), VALUES[1:3])


def test_damaged_and_unknown_files_are_one_line(tmp_path: Path) -> None:
    for name, content in {"a.h5": b"none", "b.mat": b"x" * 200, "c.npy": b"\x93NUMPY"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError) as told:
            read(tmp_path / name)
        assert str(told.value).startswith(str(tmp_path / name))
        assert "\n" not in str(told.value)
    (tmp_path / "words.csv").write_text("a,b\n1,x\n")
    with pytest.raises(UserError, match="column 'b' is not numbers"):
        read(tmp_path / "words.csv")
    (tmp_path / "d.txt").write_text("1")
    with pytest.raises(UserError, match="is not of"):
        read(tmp_path / "d.txt")
