"""The report on results that are missing, damaged, or hostile."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import report_tree
from tristream.cli import main
from tristream.errors import UserError
from tristream.inference.inference_file import Significance, read_inference, write_inference
from tristream.maps.score_maps import read
from tristream.report.build import build
from tristream.store import Provenance, create_h5


def test_a_study_without_results_is_reported_as_such(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    build(resolved, tmp_path / "results/report/index.html")
    text = (tmp_path / "results/report/bunny_sub-01.html").read_text()
    assert text.count("not produced because") > 5
    assert "encode/bunny/streams/sub-01.h5" in text
    index = (tmp_path / "results/report/index.html").read_text()
    assert "decode/haxby2001_slice/svm_blocks/sub-1.h5" in index


@pytest.mark.parametrize("damage", ["cut", "other kind", "says nothing"])
def test_a_damaged_file_is_named_in_one_line(tmp_path, capsys, damage):
    config = report_tree.write_study(tmp_path)
    path = tmp_path / "results/align/bunny/sub-01_lagscan.h5"
    path.parent.mkdir(parents=True)
    if damage == "cut":
        path.write_bytes(b"\x89HDF")
    else:
        with create_h5(path, Provenance("bold", True, methods=("Made by a test.",))) as file:
            if damage == "says nothing":
                del file.attrs["simulated"]
    call = ["report", "build", "--config", str(config), "--output"]
    call += [str(tmp_path / "results/report/index.html")]
    call += ["--datasets", str(report_tree.REPOSITORY / "workflow/datasets")]
    assert main(call) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert said.count("\n") == 1
    assert not (tmp_path / "results/report/index.html").exists()


def test_maps_refuse_an_inference_of_other_voxels(tmp_path):
    resolved = report_tree.read_study(report_tree.write_study(tmp_path))
    rng = np.random.default_rng(0)
    report_tree.write_encoding(resolved, "haxby2001_slice", "category", "1", False, rng)
    root = tmp_path / "results"
    inference = root / "inference/haxby2001_slice/category/sub-1.h5"
    tested, provenance = read_inference(inference)
    arrays = {name: values[:3] for name, values in vars(tested.found).items()}
    write_inference(inference, replace(tested, found=Significance(**arrays)), provenance)
    encoding = root / "encode/haxby2001_slice/category/sub-1.h5"
    with pytest.raises(UserError, match="has 3 voxels"):
        read(encoding, inference)
