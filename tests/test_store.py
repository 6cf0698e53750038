"""Files say what they are, appear whole or not at all, and are refused when they don't."""

import h5py
import numpy as np
import pandas as pd
import pytest

from tristream.errors import UserError
from tristream.store import (
    Omission,
    Provenance,
    create_h5,
    open_h5,
    read_json,
    read_strings,
    read_table,
    write_json,
    write_strings,
    write_table,
)

GIVEN = Provenance("bold", True, {"tr": 2.0}, "abc", (Omission("p", "too few"),), ("It was read.",))


def test_hdf5_comes_back_as_written(tmp_path):
    path = tmp_path / "deep" / "x.h5"
    with create_h5(path, GIVEN) as file:
        file["bold"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        write_strings(file, "names", ["é", "b"])
    with open_h5(path, "bold") as (file, provenance):
        assert provenance == GIVEN
        assert file["bold"].shape == (2, 3)
        assert read_strings(file, "names") == ["é", "b"]


def test_a_failed_write_leaves_nothing(tmp_path):
    def write():
        with create_h5(tmp_path / "x.h5", GIVEN) as file:
            file["bold"] = np.zeros(3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_failed_rewrite(tmp_path):
    write_json(tmp_path / "x.json", {"n": 1}, GIVEN)
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"n": object()}, GIVEN)
    assert read_json(tmp_path / "x.json", "bold")[0]["n"] == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("lost", ["simulated", "kind", "schema_version"])
def test_a_file_that_does_not_say_is_refused(tmp_path, lost):
    with create_h5(tmp_path / "x.h5", GIVEN):
        pass
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        del file.attrs[lost]
    with pytest.raises(UserError, match=lost), open_h5(tmp_path / "x.h5", "bold"):
        pass


def test_wrong_kind_missing_and_damaged_files_are_named(tmp_path):
    with create_h5(tmp_path / "x.h5", GIVEN):
        pass
    with pytest.raises(UserError, match=r"x\.h5: holds 'bold'"), open_h5(tmp_path / "x.h5", "y"):
        pass
    with pytest.raises(UserError, match=r"none\.h5"), open_h5(tmp_path / "none.h5", "bold"):
        pass
    (tmp_path / "cut.h5").write_bytes((tmp_path / "x.h5").read_bytes()[:100])
    with pytest.raises(UserError, match=r"cut\.h5"), open_h5(tmp_path / "cut.h5", "bold"):
        pass
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(UserError, match=r"x\.json: not valid JSON"):
        read_json(tmp_path / "x.json", "bold")


def test_tables_keep_null_words_and_leading_zeros(tmp_path):
    table = pd.DataFrame({"run": ["01", "02"], "item": ["NULL", "NA"], "n": [1.5, np.nan]})
    write_table(tmp_path / "t.tsv", table, GIVEN, {"run": "the run"}, extra=[1])
    read, provenance = read_table(tmp_path / "t.tsv", "bold")
    assert provenance.simulated
    assert list(read["run"]) == ["01", "02"]
    assert list(read["item"]) == ["NULL", "NA"]
    assert read["n"].isna().tolist() == [False, True]
    assert read_json(tmp_path / "t.json", "bold")[0]["columns"]["run"]["Description"] == "the run"


def test_a_file_that_was_computed_must_tell_how(tmp_path):
    path = tmp_path / "x.h5"
    with pytest.raises(ValueError, match="methods"), create_h5(path, Provenance("bold", False)):
        pass
    assert not list(tmp_path.iterdir())
    with create_h5(path, Provenance("bold", False, methods=("It was read.",))):
        pass
    with open_h5(path, "bold") as (_, provenance):
        assert provenance.methods == ("It was read.",)
