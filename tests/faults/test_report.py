"""The report on results that are missing, damaged, or hostile."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import report_tree
from tristream.cli import main
from tristream.config.load import load
from tristream.decode.decoding_file import read_decoding, write_decoding
from tristream.errors import UserError
from tristream.inference.inference_file import Significance, read_inference, write_inference
from tristream.maps.score_maps import read
from tristream.report.build import build
from tristream.stimuli.tables import LEAKAGE, LeakageTable, write_leakage
from tristream.store import Omission, Provenance, create_h5

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)> $\\frac{1}$"


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


def test_hostile_text_is_shown_and_never_obeyed(tmp_path):
    study = yaml.safe_load((report_tree.REPOSITORY / "config.yaml").read_text())
    study |= {"title": HOSTILE, "results": str(tmp_path / "results"), "models": {}, "inference": {}}
    study["datasets"] = {"haxby2001_slice": {}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(study))
    source = report_tree.REPOSITORY / "workflow/datasets/haxby2001_slice.yaml"
    descriptor = yaml.safe_load(source.read_text())
    descriptor |= {key: HOSTILE for key in ("title", "licence", "citation", "credit")}
    (tmp_path / "descriptors").mkdir()
    (tmp_path / "descriptors/haxby2001_slice.yaml").write_text(yaml.safe_dump(descriptor))
    resolved = load(tmp_path / "config.yaml", tmp_path / "descriptors")
    write_hostile(tmp_path / "results")
    build(resolved, tmp_path / "results/report/index.html")
    for path in (tmp_path / "results/report").glob("*.html"):
        text = path.read_text()
        assert "<script" not in text, path
        assert "<img src=x" not in text, path
    page = (tmp_path / "results/report/haxby2001_slice.html").read_text()
    assert page.count("&lt;script&gt;") >= 6


def write_hostile(root: Path):
    """Results whose every text is hostile."""
    omitted = (Omission(HOSTILE, HOSTILE),)
    receipt = {"source": {"kind": HOSTILE, "url": HOSTILE}, "commit": HOSTILE, "files": []}
    receipt |= {key: HOSTILE for key in ("dataset", "subject", "root", "name", "licence")}
    said = Provenance("receipt", False, omitted=omitted).to_json()
    folder = root / "fetch/haxby2001_slice"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(said | receipt))
    table = pd.DataFrame({name: [HOSTILE] for name in LEAKAGE})
    methods = (HOSTILE,)
    checked = [{"check": HOSTILE, HOSTILE: HOSTILE}]
    said = Provenance("leakage", False, methods=methods)
    path = root / "stimuli/haxby2001_slice/leakage.tsv"
    write_leakage(LeakageTable(path, table, checked, [], [], None, said))
    said = Provenance("decoding", False, omitted=omitted, methods=methods)
    for name in ("ridge_volumes", "svm_blocks"):
        report_tree.write_decoding(root, "haxby2001_slice", name, "1", np.random.default_rng(0))
        path = root / f"decode/haxby2001_slice/{name}/sub-1.h5"
        stored, _ = read_decoding(path)
        classes = [HOSTILE, *stored.classes[1:]]
        runs = [HOSTILE, *stored.runs[1:]]
        write_decoding(path, replace(stored, classes=classes, runs=runs, permuted=HOSTILE), said)


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
