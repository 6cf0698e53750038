"""A table of volumes by the workflow and by the estimators: the same rows, the same voxels.

Each volume shows another picture than the one before, so that a row which holds a part of its
neighbour's features loses most of what can be predicted.
"""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from scipy.stats import norm

from helpers.small_study import commands, edit, planned, run_here, snakemake
from tristream.align.aligned import align_features, read_aligned
from tristream.bold.run_file import Run, read_run
from tristream.config.load import load
from tristream.config.settings.align import AlignSettings
from tristream.encode.dual_weights import weights_path
from tristream.encode.encoding_file import read_encoding
from tristream.encode.estimators import RidgeCV
from tristream.encode.fit import fit_encoding
from tristream.encode.fit_inputs import read_inputs
from tristream.inference.inference_file import read_inference

TR, VOLUMES, SHAPE = 2.0, 60, (12, 10, 5)
LABELS = [f"picture{n}" for n in range(6)]
RUNS = [f"run-{n}" for n in (1, 2, 3, 4)]
DRIVEN = 300  # of 600 voxels


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run files, aligned features, samples and encoding, by the workflow's own commands."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(7)
    order = rng.integers(0, len(LABELS) + 1, len(RUNS) * VOLUMES)
    order[order == np.roll(order, 1)] = len(LABELS)  # rest
    weights = np.zeros((len(LABELS) + 1, np.prod(SHAPE)))
    weights[:-1, :DRIVEN] = rng.standard_normal((len(LABELS), DRIVEN))
    bold = 1000 + 5 * (0.55 * weights[order] + rng.standard_normal((len(order), np.prod(SHAPE))))
    image = nib.Nifti1Image(bold.T.reshape(*SHAPE, -1).astype(np.float32), np.diag([3.0, 3, 3, 1]))
    image.header.set_zooms((3, 3, 3, TR))
    image.header.set_xyzt_units("mm", "sec")
    (folder / "raw").mkdir()
    nib.save(image, folder / "raw/bold.nii.gz")
    names = [*LABELS, "rest"]
    lines = [f"{names[label]} {place // VOLUMES}" for place, label in enumerate(order)]
    (folder / "raw/labels.txt").write_text("\n".join(lines))
    about = {"Name": "table", "License": "CC0", "Simulated": True}
    (folder / "raw/dataset_description.json").write_text(json.dumps(about))
    descriptor = {
        "id": "d",
        "title": "A table of volumes",
        "licence": "CC0",
        "citation": "none",
        "source": {"kind": "folder", "path": "raw"},
        "layout": {"kind": "volume_table", "bold": "bold.nii.gz", "table": "labels.txt"},
        "tr": TR,
        "subjects": ["1"],
        "runs": RUNS,
        "split": {"scheme": "holdout", "test": ["run-4"]},
        "exchange": {"unit": "block"},
    }
    (folder / "workflow/datasets").mkdir(parents=True)
    (folder / "workflow/datasets/d.yaml").write_text(yaml.safe_dump(descriptor))
    model = {"datasets": ["d"], "bands": {"pictures": ["pictures"]}, "delays": ["0 TR"]}
    content = {
        "datasets": ["d"],
        "features": {"pictures": {"stream": "label", "extractor": "labels"}},
        "models": {"pictures": model},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    run_here(folder, commands(folder, "results/encode/d/pictures/sub-1.h5"))
    return folder


def shown(study: Path, run: str) -> np.ndarray:
    """One-hot rows straight from the table; zeros at rest."""
    words = [line.split() for line in (study / "raw/labels.txt").read_text().splitlines()]
    own = [label for label, number in words if f"run-{int(number) + 1}" == run]
    return np.array([[float(label == name) for name in LABELS] for label in own])


def run_of(study: Path, run: str) -> Run:
    return read_run(study / f"results/bold/d/sub-1/{run}.h5")


def found(r: np.ndarray, samples: int) -> np.ndarray:
    """Voxels above the threshold of one in twenty voxels without a response."""
    return np.arctanh(r) * np.sqrt(samples - 3) > norm.isf(0.05)


def by_api(study: Path) -> np.ndarray:
    """Test correlations of ridge on arrays that are made from the table."""
    x, y, runs = [], [], []
    for number, run in enumerate(RUNS):
        features, here = shown(study, run), run_of(study, run)
        kept = features.any(axis=1)
        features = features - here.projection @ (here.projection.T @ features)
        x.append(features[kept])
        y.append(here.bold[kept])
        runs.append(np.full(kept.sum(), number))
    model = RidgeCV(alphas=np.logspace(-3, 4, 15), device="cpu")
    model.fit(np.concatenate(x[:-1]), np.concatenate(y[:-1]), runs=np.concatenate(runs[:-1]))
    predicted = model.predict(x[-1])
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, y[-1].T, strict=True)])


def test_the_workflows_rows_are_those_of_the_table(study: Path) -> None:
    rows = read_aligned(study / "results/align/d/main/pictures/identity.h5")
    for run in RUNS:
        np.testing.assert_array_equal(rows[run], shown(study, run))


def test_the_workflow_finds_the_voxels_that_the_estimators_find(study: Path) -> None:
    encoding, _ = read_encoding(study / "results/encode/d/pictures/sub-1.h5")
    theirs = by_api(study)
    samples = int(shown(study, RUNS[-1]).any(axis=1).sum())
    ours, others = found(encoding.scores.r, samples), found(theirs, samples)
    assert others[:DRIVEN].mean() > 0.7
    assert abs(int(ours.sum()) - int(others.sum())) <= 0.03 * others.sum()
    assert (ours == others).mean() > 0.95
    np.testing.assert_allclose(encoding.scores.r[:DRIVEN], theirs[:DRIVEN], atol=0.08)


def test_rows_that_hold_a_part_of_the_volume_before_find_few(study: Path, tmp_path: Path) -> None:
    """What was done once: labels of volumes as events in time, averaged around each volume."""
    resolved = load(study / "config.yaml")
    settings = AlignSettings.of(resolved, dataset="d", timeline="main")
    bold = [study / f"results/bold/d/sub-1/{run}.h5" for run in RUNS]
    (features,) = (study / "results/features/d/pictures").glob("*.h5")
    mixed = settings.model_copy(update={"by_volume": False})
    inventory = study / "results/stimuli/d/inventory.tsv"
    align_features(mixed, features, inventory, bold, tmp_path / "mixed.h5")
    design = resolved.study.models["pictures"].design
    samples = study / "results/align/d/sub-1_samples.tsv"
    encoding, _, _ = fit_encoding(
        read_inputs(design, [tmp_path / "mixed.h5"], bold, samples), design, "cpu"
    )
    count = int(shown(study, RUNS[-1]).any(axis=1).sum())
    right = found(by_api(study), count)
    assert found(encoding.scores.r, count)[:DRIVEN].sum() < 0.7 * right[:DRIVEN].sum()


def test_weights_that_are_not_kept_go_after_tests_have_read_them(
    study: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    fitted = folder / "results/encode/d/pictures/sub-1.h5"
    fitted.unlink()
    jobs = planned(folder)
    assert (jobs["encode"], jobs["inference"], jobs["report"]) == (1, 1, 1)
    snakemake(folder)
    assert fitted.is_file()
    assert not weights_path(fitted).exists()
    assert read_inference(folder / "results/inference/d/pictures/sub-1.h5")[0].found is not None
    assert read_encoding(fitted)[0].curves is not None
    assert planned(folder) == {}
    # Another test of items reads them again.
    edit(folder / "config.yaml", lambda content: content.update(inference={"fdr": 0.1}))
    again = planned(folder)
    assert (again["encode"], again["inference"]) == (1, 1)
    edit(folder / "config.yaml", lambda content: content.pop("inference"))
    # Whoever wants them has them made again, and what stands on them.
    edit(folder / "config.yaml", lambda content: content.update(keep_weights=True))
    again = planned(folder)
    assert (again["encode"], again["inference"], again["report"]) == (1, 1, 1)
    assert "bold" not in again
    snakemake(folder)
    assert weights_path(fitted).is_file()
    assert planned(folder) == {}
    # The report has a copy of the study in it.
    edit(folder / "config.yaml", lambda content: content.update(keep_weights=False))
    assert planned(folder) == {"report": 1}
