"""The page of a feature space, from a study whose features were really extracted from a film."""

import html
import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.features_study import FilmStudy
from helpers.films import make_film
from tristream.features.core.checked_space import CheckedSpace
from tristream.features.core.feature_file import open_features
from tristream.report.build import build
from tristream.report.pages import existing_spaces
from tristream.report.sections import costs
from tristream.report.study_results import Results
from tristream.store import Provenance, create_h5, read_table, write_strings, write_table

FLOW = {"stream": "dorsal", "extractor": "optical_flow", "options": {"size": [48, 28]}}
SECONDS = 20


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> FilmStudy:
    """A film of moving noise, two spaces of it and one made from both, aligned."""
    folder = tmp_path_factory.mktemp("spaces")
    count = SECONDS * 24
    wide = np.random.default_rng(0).integers(0, 255, (36, 64 + count), dtype=np.uint8)
    images = np.stack([wide[:, i : i + 64] for i in range(count)])
    film = make_film(folder / "stimuli/clip.mp4", images, np.arange(count) / 24)
    low = {"stream": "nuisance", "extractor": "lowlevel"}
    study = FilmStudy(folder, [film], {"flow": FLOW, "low": low})
    study.receipt = folder / "results/fetch/films/stimuli/receipt.json"
    study.write_receipt()
    path = folder / "config.yaml"
    content = yaml.safe_load(path.read_text())
    content["fusion"] = {
        "both": {"stream": "dorsal", "method": "cca", "parents": ["flow", "low"], "components": 2}
    }
    content["models"] = {
        "m": {
            "datasets": ["films"],
            "bands": {"a": ["flow", "both"], "b": ["low"]},
            "delays": ["4 TR"],
        }
    }
    path.write_text(yaml.safe_dump(content))
    return study


@pytest.fixture(scope="module")
def folder(study: FilmStudy) -> Path:
    """The folder of its report."""
    results = study.folder / "results"
    flow, low = study.extract("flow", "flow"), study.extract("low", "lowlevel")
    write_inventory(results / "stimuli/films")
    from tristream.config.settings.fusion import FusionSettings
    from tristream.features.fusion.derived_space import fit, fuse

    resolved = study.resolved()
    tables = [results / f"stimuli/films/{name}.tsv" for name in ("inventory", "splits")]
    both = FusionSettings.of(resolved, dataset="films", fused="both")
    fit(both, [flow, low], *tables, results / "fusion/films/both.h5")
    fused = study.output("both", "shared")
    fuse(both, [flow, low], results / "fusion/films/both.h5", fused)
    for path in (flow, low, fused):
        align(path, results / "align/films/main" / path.parent.name / path.name)
    build(resolved, results / "report/index.html", "c0de")
    return results / "report"


def write_inventory(folder: Path) -> None:
    events = [("run-1", 0.0, 12.0), ("run-2", 12.0, 18.0)]
    rows = [
        {
            "timeline": "main",
            "run": run,
            "trial": "1",
            "onset": 0.0,
            "duration": stop - start,
            "stimulus": "clip",
            "kind": "film",
            "media_start": start,
            "item": "clip",
            "unit": "",
            "keep": True,
        }
        for run, start, stop in events
    ]
    said = Provenance("inventory", False)
    write_table(folder / "inventory.tsv", pd.DataFrame(rows), said, stimuli=[])
    splits = pd.DataFrame(
        {"timeline": "main", "run": ["run-1", "run-2"], "split": ["train", "test"], "repeat": "a"}
    )
    write_table(folder / "splits.tsv", splits, Provenance("splits", False))


def align(features: Path, output: Path) -> None:
    """What the align stage writes, by the contract; here simply once a second."""
    with (
        open_features(features) as source,
        create_h5(output, Provenance("aligned", False, methods=("Made by a test.",))) as file,
    ):
        clip, about = source.stimuli["clip"], source.about
        rows = np.searchsorted(clip.times, np.arange(1, 18))
        file["runs/run-1"] = clip.values[()][np.minimum(rows, len(clip.times) - 1)]
        file["times/run-1"] = np.arange(17.0)
        file.attrs.update(tr=1.0, space=about.space, layer=about.layer, sampling="timed")
        write_strings(file, "names", source.names)


def page(folder: Path, space: str) -> str:
    return (folder / f"space_{space}.html").read_text()


def figure(folder: Path, name: str) -> pd.DataFrame:
    return read_table(folder / f"figures/films/spaces/{name}.tsv", "figure")[0]


def test_every_space_with_features_has_a_page_that_the_index_links(folder: Path) -> None:
    index = (folder / "index.html").read_text()
    for space in ("flow", "low", "both"):
        assert f'href="space_{space}.html"' in index
        assert f'href="space_{space}.html"' in (folder / "films.html").read_text()
        assert "What came out, films" in page(folder, space)
    assert "cca of flow, low" in index


def test_input_traces_numbers_neighbours_and_points_are_drawn(folder: Path) -> None:
    text = page(folder, "flow")
    for name in ("input", "traces", "similarity", "tsne"):
        assert f"figures/films/spaces/flow_{name}.png" in text
        assert f"figures/films/spaces/flow_{name}.svg" in text
    seen = figure(folder, "flow_input")
    assert set(seen["seen"]) == {"48 x 28 pixels, grey"}
    assert list(seen["seconds"]) == [4.0, 10.0]
    labels = figure(folder, "flow_tsne")["label"]
    assert set(labels) == {"run-1", "run-2", "clip, in no run"}
    assert '<td class="number">120</td>' in text
    similar = figure(folder, "flow_similarity")
    assert similar.loc[0, "flow"] == pytest.approx(1)
    assert 0 <= similar.loc[0, "low"] < 1


def test_a_derived_space_names_its_parents_and_what_its_fit_found(folder: Path) -> None:
    text = page(folder, "both")
    assert "flow, low" in text
    assert "training_correlations" in text
    assert "its parents are shown on their own pages" in text


def test_what_can_not_be_shown_is_an_omission_with_its_reason(
    study: FilmStudy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckedSpace, "preview", lambda self, path, at: None)
    build(study.resolved(), folder.with_name("unseen") / "index.html", "c0de")
    index = (folder.with_name("unseen") / "index.html").read_text()
    assert "films: no preview" in index
    assert "Input of low as it was computed from" in index


def test_one_table_compares_what_the_spaces_cost(study: FilmStudy, folder: Path) -> None:
    results = Results(study.resolved(), folder)
    with h5py.File(study.output("low", "lowlevel"), "r+") as file:
        file["stimuli/clip"].attrs["notes"] = '{"busy": 0.876}'
        del file.attrs["cost"]
    cost = {"layers": ["flow"], "seconds": 12.5, "cpu_seconds": 10.0, "memory": 321.5}
    with h5py.File(study.output("flow", "flow"), "r+") as file:
        file.attrs["cost"] = json.dumps(cost)
    [section] = costs.sections(results, existing_spaces(results))
    [table] = section.blocks
    assert table.kind == "table"
    rows = {row[0].text: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert list(rows) == ["flow", "low", "both"]
    flow = rows["flow"]
    assert (flow["dataset"], flow["layers"], flow["dimensions"]) == ("films", 1, 120)
    assert flow["samples"] == 12 * SECONDS - 1
    # A sample stands for the time between its two frames.
    assert flow["stimuli (min)"] == pytest.approx((SECONDS - 1 / 12) / 60)
    assert (flow["time (s)"], flow["CPU (s)"], flow["peak memory (MB)"]) == (12.5, 10.0, 321.5)
    assert flow["CPU (s) a minute"] == pytest.approx(30, rel=0.01)
    assert flow["on disk (MB)"] == study.output("flow", "flow").stat().st_size / 1e6
    assert (flow["network busy"], rows["low"]["network busy"]) == ("–", "88%")
    assert np.isnan(rows["low"]["time (s)"])
    assert rows["both"]["time (s)"] > 0
    assert table.caption in html.unescape((folder / "technical.html").read_text())


def test_pages_are_offline_and_their_files_are_there(folder: Path) -> None:
    import re

    for space in ("flow", "low", "both"):
        text = page(folder, space)
        assert text.count("<script") == 1
        for link in re.findall(r'(?:href|src)="([^"#]+)"', text):
            assert link.startswith("data:") or (folder / link).is_file(), link
