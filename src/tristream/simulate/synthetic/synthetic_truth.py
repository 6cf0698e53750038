"""What is true of a synthetic dataset: ``truth.h5`` beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tristream.simulate.synthetic.settings import Array, Brain
from tristream.space import grayordinates
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "synthetic-truth"


@dataclass(frozen=True)
class SyntheticTruth:
    """What is true of one subject.

    Attributes
    ----------
    labels : list of str
        The columns of the courses of region ``label``.
    courses : dict of str to dict of str to ndarray
        Region to run to noise-free courses, (volumes, columns).
    brain : Brain or None
        Where its voxels are and which region each is in; None where the grid of the images follows
        from transforms.
    """

    labels: list[str]
    courses: Mapping[str, Mapping[str, Array]]
    brain: Brain | None


def write_synthetic_truth(
    path: Path | str, provenance: Provenance, subjects: Mapping[str, SyntheticTruth]
) -> None:
    """Write the truth of all subjects; `provenance` is of kind ``synthetic-truth``."""
    with create_h5(path, provenance) as file:
        for subject, truth in subjects.items():
            group = file.create_group(f"subjects/{subject}")
            write_strings(group, "labels", truth.labels)
            for region, runs in truth.courses.items():
                for run, courses in runs.items():
                    group[f"courses/{region}/{run}"] = courses.astype(np.float32)
            brain = truth.brain
            if brain is not None:
                group["ijk"], group["affine"] = brain.ijk.astype(np.int32), brain.affine
                group.attrs["shape"] = brain.shape
                grayordinates.write(group, brain.grayordinates)
                write_strings(group, "region", brain.region.tolist())


def read_synthetic_truth(path: Path | str, subject: str) -> SyntheticTruth:
    """Read the truth of one subject; raises KeyError if it was not simulated."""
    with open_h5(path, KIND) as (file, _):
        group = file[f"subjects/{subject}"]
        courses = {
            region: {run: runs[run][()] for run in runs}
            for region, runs in group["courses"].items()
        }
        brain = None
        if "ijk" in group:
            i, j, k = map(int, group.attrs["shape"])
            region = np.array(read_strings(group, "region"))
            vertices = grayordinates.read(group)
            brain = Brain(
                group["affine"][()], (i, j, k), group["ijk"][()], region, grayordinates=vertices
            )
        return SyntheticTruth(read_strings(group, "labels"), courses, brain)
