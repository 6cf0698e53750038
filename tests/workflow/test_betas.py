"""Responses to single trials by the workflow and by the estimators: the same numbers."""

import re
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from helpers import REPOSITORY, disk_use
from helpers.betas_study import (
    DRIVEN,
    HELD_OUT,
    IMAGES,
    RUNS,
    TEST,
    Betas,
    label_of,
    write_study,
)
from helpers.encoding_facts import number
from helpers.methods_facts import Of, decoding_facts, study_results, text_of
from helpers.small_study import commands, edit, run_here
from tristream.align.samples import read_samples
from tristream.bold.run_file import read_run
from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode
from tristream.decode.decoding_file import read_decoding
from tristream.decode.decoding_samples import Samples
from tristream.decode.identification_file import read_identification
from tristream.decode.joined_subjects import join_subjects
from tristream.decode.labelled_arrays import labelled
from tristream.encode.encoding_file import read_encoding
from tristream.encode.estimators import RidgeCV
from tristream.inference.inference_file import read_inference
from tristream.media.still_images import read_image
from tristream.rsa.similarity_table import read_similarity

# Found among the held-out images, through features that are decoded and a model that encodes.
ANALYSES = {
    "identification": {
        "seen": {
            "datasets": ["d"],
            "features": ["light"],
            "voxels": 60,
            "contrastive": {"seeds": 2, "epochs": 3},
        },
        "encoded": {"datasets": ["d"], "model": "light"},
    },
    # Which images are far from one another, in light and in the responses.
    "rsa": {
        "alike": {
            "datasets": ["d"],
            "features": ["light"],
            "feature_distance": "euclidean",
            "permutations": 999,
        }
    },
}
DESIGN = DecoderDesign(
    kind="ridge",
    samples="volumes",
    standardize="training",
    regularization=10.0,
    permutations=0,
)
TRAIN = [run for run in RUNS if run not in TEST]


@pytest.fixture(scope="module")
def betas() -> Betas:
    return Betas()


@pytest.fixture(scope="module")
def others(betas: Betas) -> dict[str, Betas]:
    """Two more subjects, who share the code of the first."""
    return {name: betas.of_another(int(name)) for name in ("2", "3")}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, betas: Betas, others: dict[str, Betas]) -> Path:
    """Encoding, decoding and inference by the workflow's own commands."""
    folder = tmp_path_factory.mktemp("betas") / "study"
    write_study(
        folder,
        betas,
        "sub-{subject}_betas.nii.gz",
        "sub-{subject}_trials.tsv",
        others,
        subjects=["1", *others],
        timelines="own",
        layout={"space": "MNI152NLin2009cAsym"},
    )

    def change(study: dict[str, Any]) -> None:
        study.update(ANALYSES)
        study["decoders"]["labels"]["across_subjects"] = True

    edit(folder / "config.yaml", change)
    results = ["inference/d/light/sub-1.h5", "decode/d/labels/sub-1.h5"]
    results += ["decode/d/labels/across_subjects.h5"]
    results += ["rsa/d/alike/similarity.tsv"]
    results += [f"decode/d/{name}/sub-1_identification.tsv" for name in ("seen", "encoded")]
    run_here(folder, commands(folder, *(f"results/{path}" for path in results)))
    return folder


def runs_of(betas: Betas) -> np.ndarray:
    return np.array([run for run, _ in betas.trials])


def test_responses_arrive_as_they_are(study: Path, betas: Betas) -> None:
    for run in RUNS:
        read = read_run(study / f"results/bold/d/sub-1/{run}.h5")
        np.testing.assert_array_equal(read.bold, betas.responses[betas.rows([run])])
        assert read.projection.shape[1] == 0
        assert not read.censor.any()
    text = " ".join(read.methods)
    assert "neither cleaned nor detrended nor standardised" in text
    assert "z-scored" not in text
    assert "projected out" not in text


def test_items_are_exchanged_with_all_their_showings(study: Path, betas: Betas) -> None:
    table, provenance = read_samples(study / "results/align/d/sub-1_samples.tsv")
    assert list(table["item"]) == [name for _, name in betas.trials]
    assert (table["exchange"] == table["item"]).all()
    assert (table["presentation"] == table.groupby("item").cumcount() + 1).all()
    assert "an item with all its showings" in " ".join(provenance.methods)


def test_encoding_is_that_of_the_estimators_on_the_same_arrays(study: Path, betas: Betas) -> None:
    pictures = {name: read_image(study / f"images/{name}.png") for name in IMAGES}
    known = {name: (one.mean(), one.std()) for name, one in pictures.items()}
    x, y = np.array([known[name] for _, name in betas.trials]), betas.responses
    train = betas.rows(TRAIN)
    x = (x - x[train].mean(0)) / x[train].std(0) / np.sqrt(x.shape[1])
    model = RidgeCV(alphas=[1.0, 100.0, 10_000.0], device="cpu")
    with pytest.warns(UserWarning, match="smallest alpha"):
        model.fit(x[train], y[train], runs=runs_of(betas)[train])
    encoding, _ = read_encoding(study / "results/encode/d/light/sub-1.h5")
    z = []
    for tested in encoding.tests.values():
        (run,) = tested.runs
        rows = betas.rows([run])
        predicted = model.predict(x[rows])
        np.testing.assert_allclose(tested.prediction + model.intercept_, predicted, atol=1e-4)
        np.testing.assert_array_equal(tested.y, y[rows])
        # Rows of the table one off would not pass.
        moved = model.predict(x[np.roll(rows, 1)]) - model.intercept_
        assert np.abs(tested.prediction - moved).max() > 1
        pairs = zip(predicted.T.astype(float), y[rows].T.astype(float), strict=True)
        z.append([np.arctanh(np.corrcoef(*pair)[0, 1]) for pair in pairs])
    np.testing.assert_allclose(encoding.scores.r, np.tanh(np.mean(z, axis=0)), atol=1e-3)


def test_driven_voxels_are_found_under_their_ceiling(study: Path) -> None:
    encoding, _ = read_encoding(study / "results/encode/d/light/sub-1.h5")
    r = encoding.scores.r
    assert np.median(r[:DRIVEN]) > 0.7
    assert abs(np.median(r[DRIVEN:])) < 0.2
    assert encoding.about["ceiling"] == "items"
    assert encoding.ceiling is not None
    assert np.median(encoding.ceiling.r[:DRIVEN]) > np.median(r[:DRIVEN])
    tested, _ = read_inference(study / "results/inference/d/light/sub-1.h5")
    assert tested.found is not None
    assert (tested.found.p[:DRIVEN] < 0.05).mean() > 0.8
    assert (tested.found.p[DRIVEN:] < 0.05).mean() < 0.15


def labelled_trials(betas: Betas) -> Samples:
    names = [name for _, name in betas.trials]
    labels = [label_of(name) for name in names]
    return labelled(betas.responses, labels, runs_of(betas), items=names, test=TEST)


def test_decoding_is_that_of_the_functions_on_the_same_arrays(study: Path, betas: Betas) -> None:
    found = decode(labelled_trials(betas), DESIGN)
    stored, _ = read_decoding(study / "results/decode/d/labels/sub-1.h5")
    np.testing.assert_allclose(stored.decision, found.decision, atol=1e-5)
    np.testing.assert_array_equal(stored.predicted, found.predicted)
    assert stored.accuracy > 0.8
    assert len(stored.true) == 4 * len(HELD_OUT)


def test_each_subject_is_decoded_by_the_others_as_the_functions_do(
    study: Path, betas: Betas, others: dict[str, Betas], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {name: labelled_trials(one) for name, one in {"1": betas, **others}.items()}
    found = decode(join_subjects(parts), DESIGN)
    stored, _ = read_decoding(study / "results/decode/d/labels/across_subjects.h5")
    np.testing.assert_allclose(stored.decision, found.decision, atol=1e-5)
    np.testing.assert_array_equal(stored.predicted, found.predicted)
    assert stored.subjects is not None
    np.testing.assert_array_equal(
        stored.subjects.accuracy, [one.accuracy for one in found.subjects]
    )
    assert stored.subjects.accuracy.min() > 0.7
    assert stored.scheme == "leave-one-subject-out"
    monkeypatch.chdir(study)
    results = study_results(study, study / "workflow/datasets")
    text = text_of(results)["Decoding: d"]
    for pattern, wanted in decoding_facts(Of(results, "d")):
        told = {tuple(map(number, one.groups())) for one in re.finditer(pattern, text)}
        assert told == wanted, pattern
    assert "on its held-out runs, by what was fitted to the training runs of the others" in text


def test_held_out_images_are_identified_by_jobs_of_the_workflow(study: Path) -> None:
    rows, provenance = read_identification(study / "results/decode/d/seen/sub-1_identification.tsv")
    assert rows["decoder"].tolist() == ["ridge", "contrastive"]
    (encoded,) = read_identification(study / "results/decode/d/encoded/sub-1_identification.tsv")[
        0
    ].to_dict("records")
    for row in (*rows.to_dict("records"), encoded):
        assert row["items"] == row["candidates"] == len(HELD_OUT)
        assert row["showings"] == 4 * len(HELD_OUT)
        assert row["training"] == len(TRAIN) * 48
        assert row["pairwise"] > row["pairwise_high"]
        assert row["pairwise_p"] < 0.01
    assert encoded["pairwise"] > 0.85
    assert "Each adds a linear map and 128 hidden units" in " ".join(provenance.methods)


def test_images_of_other_light_have_other_responses(study: Path, betas: Betas) -> None:
    rows, _ = read_similarity(study / "results/rsa/d/alike/similarity.tsv")
    (row,) = rows[rows["subject"] == "1"].to_dict("records")
    assert row["items"] == len(HELD_OUT)
    # The same from the arrays, by scipy.
    pictures = [read_image(study / f"images/{name}.png") for name in HELD_OUT]
    light = np.array([(one.mean(), one.std()) for one in pictures])
    shown = np.array([name for _, name in betas.trials])
    kept = betas.rows(TEST)
    of_item = [betas.responses[kept][shown[kept] == name].mean(0) for name in HELD_OUT]
    expected = spearmanr(pdist(light), pdist(of_item, "correlation")).statistic
    assert row["similarity"] == pytest.approx(expected, abs=1e-3)
    assert row["similarity"] > 0.3
    assert row["p"] <= 0.05


def test_the_tutorial_runs_through_to_the_report(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/tutorials/betas.md").read_text(encoding="utf-8")
    code = {
        language: re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
        for language in ("python", "yaml", "console")
    }
    with chdir(tmp_path):
        exec(compile("\n".join(code["python"]), "page", "exec"), {"__name__": "page"})
        (tmp_path / "my_betas.yaml").write_text(code["yaml"][0])
    lines = [line.removeprefix("$ ").split() for line in code["console"][0].splitlines()]
    assert [line[:2] for line in lines] == [
        ["tristream", "init"],
        ["cd", "my_study"],
        ["tristream", "plan"],
        ["tristream", "run"],
    ]
    run_here(tmp_path, [lines[0][1:]])
    study = tmp_path / "my_study"
    betas = {"my_betas": (tmp_path / "my_betas/sub-01_betas.npy").stat().st_size}
    with chdir(study):
        judged = disk_use.judged(study, betas)
    run_here(study, [lines[2][1:], *commands(study)])
    assert disk_use.holds(judged, disk_use.used(study))
    results = study / "results"
    stored, _ = read_decoding(results / "decode/my_betas/labels/sub-01.h5")
    assert stored.accuracy > 0.9
    methods = (results / "report/index.html").read_text(encoding="utf-8")
    assert "neither cleaned nor detrended nor standardised" in methods
    assert "z-scored within each run" not in methods
    assert "6 runs." in methods
