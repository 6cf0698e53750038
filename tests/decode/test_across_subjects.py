"""Each subject by the others, from files: as from arrays, and what can't be joined is one line."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers.run_files import write_values
from tristream.cli import main
from tristream.config.decoders import DecoderDesign
from tristream.config.settings.across_subjects import AcrossSubjectsSettings
from tristream.decode.across_subjects import fit
from tristream.decode.decoding import Decoded, decode
from tristream.decode.decoding_file import Decoding, read_decoding
from tristream.decode.joined_subjects import join_subjects
from tristream.decode.labelled_arrays import labelled
from tristream.errors import UserError
from tristream.space.grayordinates import Grayordinates
from tristream.store import Provenance, write_table

RUNS, EACH, VOXELS = ("run-1", "run-2", "run-3", "run-4"), 8, 12
PLACE = np.stack([np.arange(VOXELS), np.zeros(VOXELS, int), np.zeros(VOXELS, int)], 1)
WHERE = {"space": "MNI152NLin2009cAsym", "shape": (VOXELS, 1, 1), "affine": np.diag([2, 2, 2, 1.0])}
DESIGN = {"kind": "ridge", "samples": "volumes", "regularization": 10.0, "delay": "0 s"}


@dataclass
class Person:
    """One subject: BOLD and labels of its runs, and where its voxels lie."""

    bold: dict[str, np.ndarray]
    labels: dict[str, list[str]]
    place: np.ndarray = field(default_factory=lambda: PLACE)
    where: dict[str, Any] = field(default_factory=lambda: dict(WHERE))

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """BOLD as the files hold it, labels and runs."""
        x = np.concatenate(list(self.bold.values())).astype(np.float32)
        labels = np.concatenate(list(self.labels.values()))
        return x, labels, np.repeat(list(self.bold), EACH)


def people(number: int = 3) -> dict[str, Person]:
    """Subjects who share a code of two labels, and met blocks in orders of their own."""
    rng = np.random.default_rng(0)
    code, found = rng.standard_normal(VOXELS), {}
    for name in [f"0{n + 1}" for n in range(number)]:
        labels = {run: rng.permutation(["face", "house"] * (EACH // 2)) for run in RUNS}
        bold = {
            run: rng.standard_normal((EACH, VOXELS))
            + 0.6 * np.outer(np.where(labels[run] == "face", 1, -1), code)
            for run in RUNS
        }
        found[name] = Person(bold, {run: list(own) for run, own in labels.items()})
    return found


def write(folder: Path, subjects: dict[str, Person]) -> tuple[list[Path], list[Path]]:
    """Run files and sample indices of all."""
    bold, samples = [], []
    for name, one in subjects.items():
        tables = []
        for run, values in one.bold.items():
            path = folder / f"sub-{name}" / f"{run}.h5"
            path.parent.mkdir(parents=True, exist_ok=True)
            bold.append(write_values(path, values, subject=name, ijk=one.place, **one.where))
            tables.append(
                pd.DataFrame(
                    {
                        "run": run,
                        "row": np.arange(len(values)),
                        "time": 2.0 * np.arange(len(values)),
                        "item": one.labels[run],
                        "label": one.labels[run],
                        "unit": [f"{run}/{k}" for k in range(len(values))],
                        "split": "each",
                        "repeat": None,
                        "censor": False,
                        "keep": True,
                    }
                )
            )
        samples.append(folder / f"sub-{name}_samples.tsv")
        made = Provenance("samples", False, methods=("Made by a test.",))
        write_table(samples[-1], pd.concat(tables, ignore_index=True), made)
    return bold, samples


def settings(subjects: dict[str, Person], **keys: Any) -> AcrossSubjectsSettings:
    block = DecoderDesign(**{**DESIGN, "permutations": 29, **keys})
    return AcrossSubjectsSettings(
        dataset="d", decoder="ridge", block=block, unit="block", subjects=list(subjects)
    )


def fitted(
    folder: Path, subjects: dict[str, Person], **keys: Any
) -> tuple[Decoded, Decoding, Provenance]:
    bold, samples = write(folder, subjects)
    found = fit(bold, samples, folder / "out.h5", settings(subjects, **keys))
    return found, *read_decoding(folder / "out.h5")


def test_files_and_arrays_give_the_same_numbers(tmp_path: Path) -> None:
    subjects = people()
    # Of one subject a voxel is not in the mask, and the others are in another order; another has
    # no number in one volume.
    order = np.random.default_rng(1).permutation(VOXELS - 1)
    subjects["02"].place = PLACE[order]
    subjects["02"].bold = {run: x[:, order] for run, x in subjects["02"].bold.items()}
    subjects["03"].bold["run-2"][3, 4] = np.nan
    found, stored, provenance = fitted(tmp_path, subjects)
    arrays = {name: labelled(*one.arrays()) for name, one in subjects.items()}
    places = {"01": np.arange(VOXELS), "02": order, "03": np.delete(np.arange(VOXELS), 4)}
    joined = join_subjects(arrays, places)
    same = decode(joined, settings(subjects).block)
    assert stored.n_voxels == joined.x.shape[1] == VOXELS - 2
    np.testing.assert_array_equal(stored.decision, same.decision)
    np.testing.assert_array_equal(found.null, same.null)
    np.testing.assert_array_equal(stored.patterns, same.patterns.astype(np.float32))
    assert (stored.accuracy, stored.p) == (same.accuracy, same.p)
    assert stored.subjects is not None
    assert stored.subjects.names == list(subjects)
    for k, one in enumerate(same.subjects):
        assert stored.subjects.accuracy[k] == one.accuracy
        assert stored.subjects.balanced_low[k] == one.balanced.low
        np.testing.assert_array_equal(stored.subjects.null[:, k], one.null)
    assert [one.what for one in provenance.omitted[:2]] == [
        "1 of 12 voxels",
        "voxels beside 10 (11 has the subject with the fewest)",
    ]
    text = " ".join(provenance.methods)
    assert "The 10 voxels that all of 3 subjects have" in text
    assert "in the space MNI152NLin2009cAsym" in text
    assert "on its runs in 4 parts" in text
    assert f"({found.left_out} left out" in text
    assert "alike in all subjects" in text


def test_a_subject_has_the_accuracy_of_its_own_samples(tmp_path: Path) -> None:
    found, stored, _ = fitted(tmp_path, people())
    subject = np.array([run.split("/")[0] for run in stored.run])
    each = stored.subjects
    assert each is not None
    for k, name in enumerate(each.names):
        own = subject == f"sub-{name}"
        right = (stored.predicted == stored.true)[own]
        assert each.accuracy[k] == right.mean() > 0.8
        recalls = [right[stored.true[own] == c].mean() for c in range(2)]
        assert each.balanced[k] == pytest.approx(np.mean(recalls))
        assert each.balanced_low[k] < each.balanced[k] < each.balanced_high[k]
        assert abs(each.chance[k] - 0.5) < 0.15
        assert each.p[k] == 1 / 30
    # All subjects have as many samples.
    assert each.accuracy.mean() == pytest.approx(stored.accuracy)
    np.testing.assert_allclose(each.null.mean(1), found.null)
    assert (each.p_any >= each.p).all()


def test_noise_of_one_subject_is_told_from_the_others_signal(tmp_path: Path) -> None:
    subjects, rng = people(), np.random.default_rng(2)
    subjects["03"].bold = {run: rng.standard_normal((EACH, VOXELS)) for run in RUNS}
    each = fitted(tmp_path, subjects, permutations=199)[1].subjects
    assert each is not None
    assert each.p[0] <= 0.01 < 0.05 < each.p[2]
    assert each.balanced_low[2] < 0.5 < each.balanced_low[0]


def test_one_subject_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"decoders\.ridge\.across_subjects: one subject of d"):
        fitted(tmp_path, people(1))


def test_another_grid_is_refused(tmp_path: Path) -> None:
    subjects = people()
    subjects["02"].where["affine"] = np.diag([3, 3, 3, 1.0])
    with pytest.raises(UserError, match=r"run-1\.h5: sub-02 lies on another grid than sub-01"):
        fitted(tmp_path, subjects)
    subjects["02"].where = {**WHERE, "shape": (VOXELS, 2, 1)}
    with pytest.raises(UserError, match=r"12 x 2 x 1 of 2 x 2 x 2 mm.*not .*12 x 1 x 1"):
        fitted(tmp_path, subjects)


def test_vertices_stand_for_each_other_by_structure(tmp_path: Path) -> None:
    subjects = people()
    side = np.repeat([0, 1], VOXELS // 2)
    for one in subjects.values():
        one.place = PLACE % np.array([VOXELS // 2, 1, 1])
        cortex = Grayordinates(side.astype(np.int8), ("CORTEX_LEFT", "CORTEX_RIGHT"), (10, 10))
        one.where = {"space": "fsaverage5", "shape": (0, 0, 0), "grayordinates": cortex}
    found = fitted(tmp_path, subjects)[1]
    volumes = fitted(tmp_path / "volumes", people())[1]
    np.testing.assert_array_equal(found.decision, volumes.decision)
    other = replace(subjects["03"].where["grayordinates"], vertices=(20, 20))
    subjects["03"].where["grayordinates"] = other
    with pytest.raises(UserError, match="sub-03 lies on another grid"):
        fitted(tmp_path, subjects)


def test_masks_without_a_voxel_in_common_are_refused(tmp_path: Path) -> None:
    subjects = people(2)
    for run in RUNS:
        subjects["01"].bold[run][0, :6] = np.nan
        subjects["02"].bold[run][0, 6:] = np.nan
    with pytest.raises(UserError, match="share no voxel"):
        fitted(tmp_path, subjects)


def test_a_subject_without_numbers_is_named(tmp_path: Path) -> None:
    subjects = people()
    subjects["02"].bold["run-3"][:] = np.nan
    with pytest.raises(UserError, match=r"sub-02_samples\.tsv: no voxel has finite values"):
        fitted(tmp_path, subjects)


def test_a_label_of_one_subject_alone_is_refused(tmp_path: Path) -> None:
    subjects = people()
    own = subjects["03"].labels
    for run in RUNS:
        own[run] = ["shoe" if label == "house" else label for label in own[run]]
    with pytest.raises(UserError, match=r"sub-03_samples\.tsv: sub-03 alone has the label shoe"):
        fitted(tmp_path, subjects)


def test_files_of_others_and_none_are_refused(tmp_path: Path) -> None:
    subjects = people()
    bold, samples = write(tmp_path, subjects)
    two = {name: subjects[name] for name in ("01", "02")}
    with pytest.raises(UserError, match="is of sub-03, who is not among 01, 02"):
        fit(bold, samples[:2], tmp_path / "out.h5", settings(two))
    with pytest.raises(UserError, match="no run file of sub-03 was given"):
        fit(bold[:8], samples, tmp_path / "out.h5", settings(subjects))
    with pytest.raises(UserError, match="2 sample indices for the subjects 01, 02, 03"):
        fit(bold, samples[:2], tmp_path / "out.h5", settings(subjects))


def test_without_permutations_chance_is_each_subjects_commonest_class(tmp_path: Path) -> None:
    subjects = people()
    subjects["01"].labels["run-1"] = ["face"] * (EACH - 1) + ["house"]
    stored = fitted(tmp_path, subjects, permutations=0)[1]
    assert stored.subjects is not None
    np.testing.assert_allclose(stored.subjects.chance, [19 / 32, 0.5, 0.5])
    assert np.isnan(stored.subjects.p).all()
    assert stored.subjects.null.shape == (0, 3)


def test_the_command_says_each_subjects_accuracy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subjects = people()
    bold, samples = write(tmp_path, subjects)
    path = settings(subjects).write(tmp_path)
    call = ["decode", "across-subjects", "--settings", path, "--output", str(tmp_path / "o.h5")]
    call += ["--bold", *map(str, bold), "--samples", *map(str, samples)]
    assert main(call) == 0
    assert "sub-03 0." in capsys.readouterr().out
