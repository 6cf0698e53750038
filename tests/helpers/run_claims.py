"""What the sentences of a run's file claim, held against what the file holds."""

import re
from collections.abc import Callable

import numpy as np
from nibabel.affines import voxel_sizes

from tristream.bold.run_file import Run

NUMBERED = {"cosine": "cosines of a high-pass filter", "a_comp_cor_": "aCompCor"}


def check_claims(run: Run, acquired: int) -> None:
    """Every sentence is true of the run, and every fact has its sentence.

    Parameters
    ----------
    run : Run
        As read from its file.
    acquired : int
        Volumes of its image.
    """
    text = " ".join(run.methods)
    for claim, fact in FACTS.items():
        assert bool(re.search(claim, text)) == fact(run), claim
    _confounds(run, text)
    _numbers(run, text, acquired)


def _is_resampled(run: Run) -> bool:
    return "head motion" in run.sources


def _lacks(what: str) -> Callable[[Run], bool]:
    return lambda run: any(omission.what == what for omission in run.omitted)


def _only(first: str, second: str) -> Callable[[Run], bool]:
    return lambda run: _lacks(first)(run) and not _lacks(second)(run)


DISTORTION, SLICES = "distortion correction", "slice-time correction"
# What a sentence says, and when it is true.
FACTS: dict[str, Callable[[Run], bool]] = {
    r"[Ss]imulated": lambda run: run.simulated,
    r"was resampled": _is_resampled,
    r"one cubic interpolation": _is_resampled,
    r"head motion[^.]* composed": _is_resampled,
    r"the distortion field[^.]* composed": lambda run: "distortion" in run.sources,
    r"normalisation to the template[^.]* composed": lambda run: "normalisation" in run.sources,
    r"slices of each volume were brought": lambda run: (
        _is_resampled(run) and not _lacks(SLICES)(run)
    ),
    r"Neither distortion by the magnetic field nor the timing of slices was": lambda run: (
        _lacks(DISTORTION)(run) and _lacks(SLICES)(run)
    ),
    r"Distortion by the magnetic field was not corrected": _only(DISTORTION, SLICES),
    r"The timing of slices was not corrected": _only(SLICES, DISTORTION),
    r"for want of a T1w": _lacks("T1w"),
    r"to the subject's T1w": lambda run: "T1w" in run.sources,
    r"Framewise displacement": lambda run: (
        _is_resampled(run) and bool(np.isfinite(run.fd).any() or run.trials)
    ),
    r"Censored were": lambda run: bool(run.censor.any()) and run.trials is None,
    r"z-scored within each run": lambda run: run.trials is None,
    r"in percent of each voxel's mean signal in its run": lambda run: run.trials is not None,
    r"z-scored over the trials": lambda run: run.trials is not None and run.trials.scale == "run",
    r"mean and variance of training trials": lambda run: (
        run.trials is not None and run.trials.scale == "training"
    ),
    r"\(least squares, all\)": lambda run: run.trials is not None and run.trials.estimate == "lsa",
    r"\(least squares, separate\)": lambda run: (
        run.trials is not None and run.trials.estimate == "lss"
    ),
    r"after GLMsingle": lambda run: run.trials is not None and run.trials.estimate == "glmsingle",
    r"mean of the uncensored volumes": lambda run: (
        run.trials is not None and run.trials.estimate == "mean"
    ),
    r"averaged within a run": lambda run: (
        run.trials is not None and bool(run.trials.averaged.max() > 1)
    ),
    r"stand for the start of its acquisition": lambda run: (
        run.start_time == 0 and "timing" not in run.sources
    ),
    r"vertex of fsaverage5": lambda run: (
        run.grayordinates is not None and run.space == "fsaverage5"
    ),
    r"a grayordinate": lambda run: run.grayordinates is not None and run.space != "fsaverage5",
    r"nilearn \[@nilearn\] takes for brain": lambda run: (
        "SPM" in run.sources["pipeline"] and not run.regions
    ),
    r"was taken instead": _lacks("TR of the header"),
}


def confound_list(words: str) -> list[str]:
    """Names in a sentence's list of confounds; numbered columns as what they are together."""
    parts = re.sub(r" of [\d.]+ s|\[.*?\]", "", words).split(", ")
    return [next((w for w in NUMBERED.values() if w in part), part) for part in parts]


def confounds_of(run: Run) -> set[str]:
    """The same of a run's file."""
    starts = {n: next((s for s in NUMBERED if n.startswith(s)), None) for n in run.confound_names}
    return {NUMBERED[start] if start else name for name, start in starts.items()}


def _confounds(run: Run, text: str) -> None:
    """Columns that are named are those that were projected out."""
    named = re.search(r"and confounds \((.*?)\) were projected", text)
    assert sorted(confound_list(named[1]) if named else []) == sorted(confounds_of(run))
    assert ("no confounds were" in text) == (not run.confound_names)


def _numbers(run: Run, text: str, acquired: int) -> None:
    if edge := re.search(r"voxels of ([\d.]+) mm", text):
        np.testing.assert_allclose(voxel_sizes(run.affine), float(edge[1]))
    if space := re.search(r"in the space ([\w-]+)", text):
        assert space[1].removesuffix(",") == run.space
    if re.search(r"middle of its repetition time", text):
        assert run.start_time == run.tr / 2
    if run.trials is not None:
        (number,) = set(re.findall(r"(\d+) trials of a run", text))
        assert int(number) == run.trials.averaged.sum()
        return
    first = round((run.time[0] - run.start_time) / run.tr)
    last = acquired - first - run.n_volumes
    ends = (re.search(rf"the {end} (\d+)[^.]* volumes were", text) for end in ("first", "last"))
    start, end = ends
    assert (int(start[1]) if start else 0) == first
    assert (int(end[1]) if end else 0) == last
