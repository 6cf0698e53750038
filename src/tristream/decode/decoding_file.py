"""The home of the `decoding` file: what a decoder predicted, how well, and its null."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

if TYPE_CHECKING:
    import h5py

KIND = "decoding"
ARRAYS = (
    "true",
    "predicted",
    "decision",
    "confusion",
    "auc",
    "recall",
    "accuracy_run",
    "top",
    "top_chance",
    "patterns",
    "ijk",
)
NUMBERS = (
    "accuracy",
    "chance",
    "chance_theory",
    "balanced",
    "balanced_low",
    "balanced_high",
    "balanced_chance",
    "log10_distinct",
)
VOICES = ("accuracy", "chance", "balanced", "balanced_low", "balanced_high", "p", "p_any")
COUNTS = ("n_units", "n_left_out", "n_voxels")
TEXTS = ("permuted", "scheme", "decoder", "dataset", "subject")


@dataclass(frozen=True)
class Voices:
    """The classifiers of an ensemble and what they decide together, or one classifier.

    Attributes
    ----------
    names : list of str
        The first is the decoder's own result.
    accuracy, chance, balanced, balanced_low, balanced_high : ndarray of shape (voices,)
        As those of the decoder.
    p, p_any : ndarray of shape (voices,)
        p of each, and corrected for all by the largest accuracy under each permutation; NaN where
        there is no p value.
    """

    names: list[str]
    accuracy: npt.NDArray[np.floating]
    chance: npt.NDArray[np.floating]
    balanced: npt.NDArray[np.floating]
    balanced_low: npt.NDArray[np.floating]
    balanced_high: npt.NDArray[np.floating]
    p: npt.NDArray[np.floating]
    p_any: npt.NDArray[np.floating]


@dataclass(frozen=True)
class LeftOut(Voices):
    """Each of several subjects, decoded by what was fitted to the others.

    Attributes
    ----------
    names : list of str
        Labels of the subjects.
    null : ndarray of shape (permutations, subjects)
        Accuracies of each under permuted labels, which moved alike in all; without rows where
        there is no p value.
    """

    null: npt.NDArray[np.floating]


@dataclass(frozen=True)
class Decoding:
    """One decoder of one subject, or of several by one another.

    Attributes
    ----------
    decoder, dataset, subject : str
        Of whom; `subject` is empty where there are several.
    scheme : {'holdout', 'leave-one-run-out', 'groups of runs', 'leave-one-subject-out'}
        What was tested.
    classes : list of str
    run, unit : list of str
        Run and exchangeable unit of each tested sample.
    true, predicted : ndarray of int of shape (samples,)
        Indices of classes.
    decision : ndarray of shape (samples, classes)
    confusion : ndarray of int of shape (classes, classes)
        Rows are true classes.
    auc : ndarray of shape (classes,)
        Area under the ROC curve of one class against the rest, by test run, averaged.
    recall : ndarray of shape (classes,)
        Share of each class's samples that were named right; NaN where none was tested.
    runs : list of str
        Test runs.
    accuracy_run : ndarray of shape (runs,)
    accuracy, chance, chance_theory : float
        Share of right predictions; mean of the null (without one, as `chance_theory`); share of
        the most frequent class.
    balanced, balanced_low, balanced_high, balanced_chance : float
        Mean recall, its 95 % interval (NaN where there is none: `Provenance.omitted` has the
        reason), and the mean of its null (without one, 1 / the number of tested classes).
    permuted : str
        The exchange scheme in words.
    log10_distinct : float
        How many distinct permutations exist.
    n_units : int
        Exchangeable units that were tested; 0 where there is no interval.
    n_left_out : int
        Training samples that fits did not get as they show a tested item, over all fits.
    n_voxels : int
        Voxels that were used.
    top, top_chance : ndarray of shape (classes,)
        Share of samples whose class is among the 1, 2, … with the largest decision values; mean of
        the same under permuted labels (without these, k / classes).
    patterns : ndarray of shape (classes, voxels)
        How decision values show in the voxels, mean over fits; without rows for networks and
        ensembles.
    ijk : ndarray of int of shape (voxels, 3)
        Where the voxels are, as in the run files.
    voices : Voices
    null : ndarray of shape (permutations,)
        Accuracies under permuted labels; empty where `p` is None.
    p : float or None
        None where the test was refused or not asked for; `Provenance.omitted` has the reason.
    subjects : LeftOut or None
        Of several subjects, each one; None where there is one.
    """

    decoder: str
    dataset: str
    subject: str
    scheme: str
    classes: list[str]
    run: list[str]
    unit: list[str]
    true: npt.NDArray[np.integer]
    predicted: npt.NDArray[np.integer]
    decision: npt.NDArray[np.floating]
    confusion: npt.NDArray[np.integer]
    auc: npt.NDArray[np.floating]
    recall: npt.NDArray[np.floating]
    runs: list[str]
    accuracy_run: npt.NDArray[np.floating]
    accuracy: float
    chance: float
    chance_theory: float
    balanced: float
    balanced_low: float
    balanced_high: float
    balanced_chance: float
    permuted: str
    log10_distinct: float
    n_units: int
    n_left_out: int
    n_voxels: int
    top: npt.NDArray[np.floating]
    top_chance: npt.NDArray[np.floating]
    patterns: npt.NDArray[np.floating]
    ijk: npt.NDArray[np.integer]
    voices: Voices
    null: npt.NDArray[np.floating]
    p: float | None = None
    subjects: LeftOut | None = None


def write_decoding(path: Path, decoding: Decoding, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `decoding`."""
    with create_h5(path, provenance) as file:
        for key in ("classes", "run", "unit", "runs"):
            write_strings(file, key, getattr(decoding, key))
        for key in ARRAYS:
            file[key] = getattr(decoding, key)
        file["auc"].attrs["method"] = "one class against the rest, by test run, averaged"
        _write_voices(file.create_group("voices"), decoding.voices)
        if decoding.subjects is not None:
            _write_voices(file.create_group("subjects"), decoding.subjects)
            file["subjects/null"] = decoding.subjects.null
        for key in (*NUMBERS, *TEXTS, *COUNTS):
            file.attrs[key] = getattr(decoding, key)
        file.attrs["n_permutations"] = len(decoding.null)
        file.attrs["n_distinct"] = 10.0 ** min(decoding.log10_distinct, 300.0)
        if decoding.p is not None:
            file["null"], file.attrs["p"] = decoding.null, decoding.p


def read_decoding(path: Path) -> tuple[Decoding, Provenance]:
    """Read a `decoding` file.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        content: dict[str, Any] = {
            **{key: read_strings(file, key) for key in ("classes", "run", "unit", "runs")},
            **{key: file[key][()] for key in ARRAYS},
            **{key: float(file.attrs[key]) for key in NUMBERS},
            **{key: str(file.attrs[key]) for key in TEXTS},
            **{key: int(file.attrs[key]) for key in COUNTS},
            "voices": Voices(**_voices_in(file["voices"])),
            "null": file["null"][()] if "null" in file else np.empty(0),
            "p": float(file.attrs["p"]) if "p" in file.attrs else None,
        }
        if "subjects" in file:
            subjects = file["subjects"]
            content["subjects"] = LeftOut(**_voices_in(subjects), null=subjects["null"][()])
        return Decoding(**content), provenance


def _write_voices(group: "h5py.Group", voices: Voices) -> None:
    write_strings(group, "names", voices.names)
    for key in VOICES:
        group[key] = getattr(voices, key)


def _voices_in(group: "h5py.Group") -> dict[str, Any]:
    return {
        "names": read_strings(group, "names"),
        **{key: group[key][()] for key in VOICES},
    }
