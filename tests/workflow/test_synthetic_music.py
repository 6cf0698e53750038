"""Music of ds003720 by the workflow, beside oracles that know how the simulated brain answers.

BOLD is simulated on the real events of all runs of a subject. An oracle is the Bayes classifier for
the true answers and Gaussian noise, whose covariance it takes from the noise of the training runs:
more is known to nobody who has these runs.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from nibabel.affines import apply_affine
from sklearn.covariance import LedoitWolf

from helpers.calibration_designs import shipped
from helpers.small_study import commands, run_here
from helpers.synthetic_datasets import begin, synthesise
from tristream.bold.run_file import read_run
from tristream.decode.identification_file import read_identification
from tristream.simulate.synthetic.event_responses import SubjectResponses
from tristream.simulate.synthetic.raw_scans import acquisition_of
from tristream.simulate.synthetic.settings import ITEM, LABEL, SyntheticSettings, region_at
from tristream.simulate.synthetic.synthetic_truth import read_synthetic_truth

DATASET, SUBJECT, VOLUMES = "ds003720", "001", 410
SCALE, CEILING, DELAY = 4.0, 0.13, 5.0
# Others are held against an oracle on arrays, in `decode/test_oracles.py`: they take minutes here.
DECODERS = ("ridge",)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, trailer: Path) -> Path:
    """The folder of a study in which genres are decoded, and clips identified in both ways."""
    folder = begin(tmp_path_factory.mktemp("study"))
    options = ["--scale", str(SCALE), "--ceiling", str(CEILING), "--film", str(trailer)]
    of = {"datasets": [DATASET]}
    content = {
        "datasets": {
            DATASET: synthesise(
                folder,
                DATASET,
                {"subjects": [SUBJECT]},
                [*options, "--subjects", SUBJECT],
                resolution=8.0,
            )
        },
        "features": {
            "sound": {"stream": "auditory", "extractor": "acoustics", "layers": ["logmel"]}
        },
        "models": {
            "sound": {
                **of,
                "bands": {"sound": ["sound"]},
                "delays": ["2 TR", "3 TR", "4 TR", "5 TR"],
                "alphas": {"lowest": -1, "highest": 5, "number": 7},
            }
        },
        "decoders": {
            kind: {**of, "kind": kind, "samples": "blocks", "delay": DELAY, "permutations": 20}
            for kind in DECODERS
        },
        "identification": {
            "decoded": {**of, "features": ["sound"], "delay": DELAY, "permutations": 100},
            "encoded": {**of, "model": "sound", "permutations": 100},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    at = f"results/decode/{DATASET}"
    wanted = [f"{at}/{kind}/sub-{SUBJECT}.h5" for kind in DECODERS]
    wanted += [f"{at}/{how}/sub-{SUBJECT}_identification.tsv" for how in ("decoded", "encoded")]
    run_here(folder, commands(folder, *wanted))
    return folder


@dataclass(frozen=True)
class Showings:
    """Each showing of a clip: BOLD and true answers, (showings, voxels), and what was shown.

    `region` is of voxels, `test` of showings.
    """

    measured: np.ndarray
    true: np.ndarray
    genre: np.ndarray
    item: np.ndarray
    test: np.ndarray
    region: np.ndarray

    def squared_distances(self, measured: np.ndarray, candidates: np.ndarray, voxels: np.ndarray):
        """Mahalanobis distances, (measured, candidates), by the noise of training runs."""
        noise = (self.measured - self.true)[~self.test][:, voxels]
        precision = LedoitWolf(assume_centered=True).fit(noise).get_precision()
        difference = measured[:, None, voxels] - candidates[None][..., voxels]
        return np.einsum("mcv,vw,mcw->mc", difference, precision, difference, optimize=True)


@pytest.fixture(scope="module")
def showings(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Showings:
    """What the workflow made of the BOLD, and what it would be without noise."""
    truth = read_synthetic_truth(study / f"archive/{DATASET}/truth.h5", SUBJECT)
    design = shipped(DATASET, SUBJECT, tmp_path_factory.mktemp("events"), (), volumes=VOLUMES)
    runs = {
        name: read_run(study / f"results/bold/{DATASET}/sub-{SUBJECT}/{name}.h5")
        for name in design.timeline
    }
    head = next(iter(runs.values()))
    worlds = apply_affine(head.affine, head.ijk)
    settings = SyntheticSettings(DATASET, (SUBJECT,), tuple(runs), scale=SCALE, ceiling=1.0)
    edge = SCALE * acquisition_of(DATASET).edge
    volumes = dict.fromkeys(runs, VOLUMES)
    noiseless = SubjectResponses(settings, SUBJECT, design.timeline, design.tr, volumes, edge)
    region = region_at(worlds)
    answers = {name: np.zeros((VOLUMES, len(worlds))) for name in runs}
    for kind in (LABEL, ITEM):
        here = region == kind
        some = list(runs)[:4]
        courses = np.concatenate([noiseless.courses[kind][name] for name in some])
        design_matrix = np.column_stack([courses, np.ones(len(courses))])
        bold = np.concatenate([noiseless(name, worlds[here]) for name in some])
        weights = np.linalg.lstsq(design_matrix, bold.astype(float), rcond=None)[0][:-1]
        for name in runs:
            # Items of the truth are what stand-ins sound like; those of `noiseless` are others.
            answers[name][:, here] = truth.courses[kind][name] @ weights
    true = {name: answer - answer.mean(0) for name, answer in answers.items()}
    # How large the answers are after cleaning, voxel by voxel.
    power = sum((answer**2).sum(0) for answer in true.values())
    covered = sum((true[name] * run.bold).sum(0) for name, run in runs.items())
    gain = covered / np.where(power > 0, power, 1)
    rows = []
    for name, events in design.timeline.items():
        since = design.times(name) - DELAY
        for event in events:
            on = (since >= event.onset) & (since < event.end)
            own = runs[name].bold[on].mean(0), gain * true[name][on].mean(0)
            rows.append((*own, event.label, event.item, "Test" in name))
    return Showings(*(np.array(one) for one in zip(*rows, strict=True)), region)


@pytest.mark.parametrize("kind", DECODERS)
def test_genres_are_decoded_by_three_quarters_of_what_an_oracle_can(
    study: Path, showings: Showings, kind: str
) -> None:
    genres, number = np.unique(showings.genre, return_inverse=True)
    patterns = np.array([showings.true[number == k].mean(0) for k in range(len(genres))])
    test, voxels = showings.test, showings.region == LABEL
    nearest = showings.squared_distances(showings.measured[test], patterns, voxels).argmin(1)
    oracle = np.mean(nearest == number[test])
    with h5py.File(study / f"results/decode/{DATASET}/{kind}/sub-{SUBJECT}.h5") as file:
        reached, chance = file.attrs["accuracy"], file.attrs["chance"]
    assert len(genres) == 10
    assert 0.4 < oracle < 0.9
    assert reached - chance >= 0.75 * (oracle - 0.1), (reached, oracle)


@pytest.mark.parametrize("how", ["decoded", "encoded"])
def test_clips_are_identified_by_three_quarters_of_what_an_oracle_can(
    study: Path, showings: Showings, how: str
) -> None:
    """Features that are decoded, and responses that are predicted."""
    items = np.unique(showings.item[showings.test])
    shown = [showings.test & (showings.item == item) for item in items]
    measured, true = (
        np.array([one[rows].mean(0) for rows in shown])
        for one in (showings.measured, showings.true)
    )
    voxels = np.isin(showings.region, [LABEL, ITEM])
    distances = showings.squared_distances(measured, true, voxels)
    others = ~np.eye(len(items), dtype=bool)
    oracle = (distances > np.diag(distances)[:, None])[others].mean()
    at = study / f"results/decode/{DATASET}/{how}/sub-{SUBJECT}_identification.tsv"
    row = read_identification(at)[0].iloc[0]
    assert len(items) == row["items"] == 60
    assert row["pairwise"] - row["pairwise_chance"] >= 0.75 * (oracle - 0.5), (row, oracle)
