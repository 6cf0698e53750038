"""Designs that allow no p value, and files that are not what they should be."""

import h5py
import numpy as np
import pytest

from helpers import truths
from helpers.encoding_files import encode_settings, model, write_study
from helpers.inference_settings import inferring, recovering
from tristream.encode.fit import fit_subject
from tristream.errors import UserError
from tristream.inference.encoding import infer_encoding
from tristream.inference.recovery import check_recovery
from tristream.store import Provenance, create_h5, open_h5


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A test clip of three blocks."""
    folder = tmp_path_factory.mktemp("faults")

    def three(study):
        table = study["samples"]
        table["unit"] = [f"{r}/{i // 40}" for r, i in zip(table["run"], table["row"], strict=True)]

    study = write_study(folder, change=three)
    path = folder / "encoding.h5"
    inputs = (study["aligned"], study["bold"], study["samples"])
    fit_subject(encode_settings(model()), "01", *inputs, path)
    return path


def test_three_blocks_give_no_p_value_but_a_reason(fitted, tmp_path):
    output = tmp_path / "inference.h5"
    infer_encoding(fitted, inferring(), output)
    with open_h5(output, "inference") as (file, provenance):
        assert set(file) == set()
        assert file.attrs["n_distinct"] == 6
        assert file.attrs["n_permutations"] == 0
    why = {o.what: o.why for o in provenance.omitted}
    assert {"p", "q", "significant", "null_max"} <= set(why)
    assert "3 blocks can change places: the smallest possible p is 0.17" in why["p"]


def test_another_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "bold.h5"
    with create_h5(path, Provenance("bold", simulated=False, methods=("Made by a test.",))):
        pass
    with pytest.raises(UserError, match="holds 'bold', not 'encoding'"):
        infer_encoding(path, inferring(), tmp_path / "out.h5")


def truth_file(path, ijk, subject="01"):
    truth = truths.voxel_truth(ijk, ["ventral"] * len(ijk), np.full(len(ijk), 0.5))
    return truths.write(path, {subject: truth})


def test_recovery_refuses_another_simulation(fitted, tmp_path):
    with h5py.File(fitted) as file:
        ijk = file["ijk"][()]
    output = tmp_path / "recovery.tsv"
    other = truth_file(tmp_path / "other.h5", ijk + 1)
    with pytest.raises(UserError, match=r"other.h5: voxel \(0, 0, 0\) was not simulated"):
        check_recovery(other, [fitted], recovering(), output)
    nobody = truth_file(tmp_path / "nobody.h5", ijk, subject="02")
    with pytest.raises(UserError, match="no subject '01'"):
        check_recovery(nobody, [fitted], recovering(), output)
    assert not output.exists()


def test_recovery_needs_a_model_to_judge(fitted, tmp_path):
    copy = tmp_path / "control.h5"
    copy.write_bytes(fitted.read_bytes())
    with h5py.File(copy, "r+") as file:
        ijk = file["ijk"][()]
        file.attrs["control"] = "shifted"
    truth = truth_file(tmp_path / "truth.h5", ijk)
    with pytest.raises(UserError, match="sub-01: no model among the encodings"):
        check_recovery(truth, [copy], recovering(), tmp_path / "recovery.tsv")
