"""The report opens what its rule declares, and nothing else."""

import builtins
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers import REPOSITORY, report_tree
from tristream import store
from tristream.config.settings.report import ReportSettings
from tristream.features.core.checked_space import check
from tristream.maps.style import style
from tristream.report.build import build
from tristream.report.declared import Input, declared, paths
from tristream.report.study_results import Results
from tristream.store.block_sums import SealedFile


def spaces_of(resolved):
    features = resolved.study.features
    return {name: check(name, block, data=resolved.study.data) for name, block in features.items()}


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """A study with results that it does not ask for: of a model, of a layer, of a subject."""
    folder = tmp_path_factory.mktemp("declared")
    study = report_tree.read_study(report_tree.write_study(folder))
    report_tree.write_tree(study)
    root = Path(study.study.results)
    for found, other in (
        ("encode/bunny/streams", "encode/bunny/gone"),
        ("features/bunny/flow/flow.h5", "features/bunny/flow/other.h5"),
        ("bold/bunny/sub-01", "bold/bunny/sub-09"),
        ("decode/haxby2001_slice/svm_blocks", "decode/haxby2001_slice/gone"),
        ("benchmarks/encode/bunny/streams/sub-01.tsv", "benchmarks/encode/bunny/gone/sub-01.tsv"),
    ):
        copy = shutil.copytree if (root / found).is_dir() else shutil.copyfile
        (root / other).parent.mkdir(parents=True, exist_ok=True)
        copy(root / found, root / other)
    return study


def pages_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".html", ".tsv", ".json", ".bib", ".yaml")
    }


@pytest.fixture(scope="module")
def built(resolved):
    """A report, and which other files of the results the store and Python opened for it."""
    root = Path(resolved.study.results)
    opened = set()

    def note(path, mode):
        if isinstance(path, str | Path) and "r" in mode and Path(path).is_relative_to(root):
            opened.add(Path(path))

    class Noted(SealedFile):
        def __init__(self, path):
            note(path, "r")
            super().__init__(path)

    real_open, real_read = builtins.open, Path.read_text

    def noting_open(file, mode="r", *args, **options):
        note(file, mode)
        return real_open(file, mode, *args, **options)

    def noting_read(self, *args, **options):
        note(self, "r")
        return real_read(self, *args, **options)

    with pytest.MonkeyPatch.context() as patched, style():
        patched.setattr(store, "SealedFile", Noted)
        patched.setattr(builtins, "open", noting_open)
        patched.setattr(Path, "read_text", noting_read)
        build(resolved, root / "report/index.html", "c0de")
    opened = {path for path in opened if not path.is_relative_to(root / "report")}
    return pages_of(root / "report"), opened


def with_measured(resolved):
    """Inputs of the report, and what was measured of the same jobs.

    The latter is not an input, so that its loss repeats no work.
    """
    results = Results(resolved, Path(resolved.study.results) / "report")
    measured = [one.benchmark(results.layout) for one in results.inputs if one.is_measured]
    return [Path(path) for path in paths(resolved, spaces_of(resolved))] + measured


def test_no_other_file_of_the_results_is_opened(resolved, built):
    _, opened = built
    assert len(opened) > 40
    assert opened - set(with_measured(resolved)) == set()


def test_a_copy_that_holds_only_declared_inputs_gives_equal_pages(resolved, built):
    root = Path(resolved.study.results)
    whole, _ = built
    listed = with_measured(resolved)
    everything = root.rename(root.with_name("everything"))
    copied = 0
    for path in listed:
        source = everything / path.relative_to(root)
        if source.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
            copied += 1
    assert copied > 60
    assert copied < sum(path.is_file() for path in everything.rglob("*"))
    build(resolved, root / "report/index.html", "c0de")
    assert pages_of(root / "report") == whole
    assert len(whole) > 50


def test_what_is_not_declared_has_no_path(resolved):
    results = Results(resolved, Path(resolved.study.results) / "report")
    with pytest.raises(KeyError, match="not an input of the report"):
        results.path("encoding", dataset="bunny", model="gone", subject="01")


def test_settings_are_the_whole_study(resolved, tmp_path):
    path = ReportSettings.of(resolved).write(tmp_path)
    again = ReportSettings.read(path).resolved()
    assert again.study == resolved.study
    assert again.datasets == resolved.datasets
    assert again.subjects == resolved.subjects


@pytest.fixture
def fusing(tmp_path):
    """A study whose model uses one layer of a space, and a space made from others."""
    import yaml

    content = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    content["fusion"] = {
        "both": {
            "stream": "auditory",
            "method": "pca",
            "parents": ["acoustics", "musicnn/cnn3"],
            "components": 2,
        }
    }
    content["features"]["musicnn"]["layers"] = ["cnn1", "cnn3", "timbral", "penultimate"]
    content["models"] = {
        "m": {
            "datasets": ["bunny"],
            "bands": {"a": ["both"], "b": ["flow"]},
            "delays": ["1 TR", "2 TR"],
        }
    }
    content["inference"] = {"permutations": 1000}
    return report_tree.read_study(report_tree.write_study(tmp_path, **content))


def test_parents_of_a_derived_space_are_shown_but_not_layers_that_nothing_uses(fusing):
    found = declared(fusing, spaces_of(fusing))
    layers = {(one["space"], one["layer"]) for one in found if one.place == "features"}
    assert ("musicnn", "cnn3") in layers
    assert ("musicnn", "cnn1") not in layers
    assert {space for space, _ in layers} >= {"both", "acoustics", "flow"}
    assert Input.of("fusion", dataset="bunny", fused="both") in found
    aligned = {one["space"] for one in found if one.place == "aligned"}
    assert aligned == {"both", "flow"}


def test_each_input_stands_once(resolved):
    found = declared(resolved, spaces_of(resolved))
    assert len(set(found)) == len(found)
    counts = np.unique([one.place for one in found], return_counts=True)
    assert dict(zip(*counts, strict=True))["bold_index"] == 3
