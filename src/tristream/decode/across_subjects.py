"""Each subject decoded by what is fitted to the others, from their files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from nibabel.affines import voxel_sizes

from tristream.bold.run_file import Run, read_run
from tristream.config.settings.across_subjects import AcrossSubjectsSettings
from tristream.decode.decoding import Decoded, decode_to_file
from tristream.decode.decoding_samples import Samples, read_samples
from tristream.decode.joined_subjects import join_subjects
from tristream.errors import UserError
from tristream.space.grid import Grid


def fit(
    bold: Sequence[Path],
    samples: Sequence[Path],
    output: Path,
    settings: AcrossSubjectsSettings,
    code: str = "",
) -> Decoded:
    """Decode every subject and write one file of kind ``decoding``.

    Voxels are matched by where they lie: those that all subjects have, with data in all labelled
    volumes, are used.

    Parameters
    ----------
    bold : sequence of Path
        Run files of all subjects; each says whose it is.
    samples : sequence of Path
        Sample indices of the subjects, in the order of the settings.
    output : Path
        HDF5 file to write.
    settings : AcrossSubjectsSettings
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If there is one subject, they lie on different grids or share no voxel, or a label is that
        of one subject alone.
    """
    if len(settings.subjects) < 2:
        raise UserError(
            f"decoders.{settings.decoder}.across_subjects: one subject of {settings.dataset}; "
            "choose two at least, or take the key out"
        )
    if len(samples) != len(settings.subjects):
        raise UserError(
            f"{len(samples)} sample indices for the subjects {', '.join(settings.subjects)}; give "
            "one of each"
        )
    own = _runs_of(bold, settings)
    firsts = {name: read_run(runs[0], signal=False) for name, runs in own.items()}
    _check_one_grid(own, firsts)
    given, places = dict[str, Samples](), dict[str, np.ndarray]()
    for (subject, runs), index in zip(own.items(), samples, strict=True):
        given[subject] = read_samples(runs, index, settings.block, settings.unit)
        places[subject] = _grid(firsts[subject]).keys[given[subject].column]
    _check_labels(given, samples)
    joined = join_subjects(given, places)
    assert joined.joined is not None
    space = firsts[settings.subjects[0]].space
    joined = replace(joined, joined=replace(joined.joined, space=space))
    return decode_to_file(joined, output, settings, "", code)


def _runs_of(bold: Sequence[Path], settings: AcrossSubjectsSettings) -> dict[str, list[Path]]:
    """Run files of each subject, in the order in which they are given."""
    found: dict[str, list[Path]] = {subject: [] for subject in settings.subjects}
    for path in bold:
        subject = read_run(path, signal=False, voxels=slice(0, 0)).subject
        if subject not in found:
            raise UserError(
                f"{path}: is of sub-{subject}, who is not among {', '.join(found)}; leave it out"
            )
        found[subject].append(path)
    if lacking := [subject for subject, runs in found.items() if not runs]:
        raise UserError(f"no run file of sub-{lacking[0]} was given; name them with --bold")
    return found


def _grid(run: Run) -> Grid:
    return Grid(run.ijk, run.affine, run.shape, run.grayordinates)


def _check_one_grid(own: Mapping[str, Sequence[Path]], firsts: Mapping[str, Run]) -> None:
    """Refuse subjects whose voxels of one index are not one place."""
    name, first = next(iter(firsts.items()))
    for subject, run in firsts.items():
        if run.space != first.space or not _grid(run).is_that_of(_grid(first)):
            raise UserError(
                f"{own[subject][0]}: sub-{subject} lies on another grid than sub-{name} "
                f"({_described(run)}, not {_described(first)}); bring them into one space "
                "(`layout.space` of the dataset file), or take out `across_subjects`"
            )


def _described(run: Run) -> str:
    """Space and grid of a run, for messages."""
    shape = " x ".join(map(str, run.shape)) if all(run.shape) else f"{len(run.ijk):,} vertices"
    origin = ", ".join(f"{value:g}" for value in run.affine[:3, 3])
    edges = " x ".join(f"{edge:.3g}" for edge in voxel_sizes(run.affine))
    return f"{run.space}, {shape}" + (f" of {edges} mm from {origin}" if all(run.shape) else "")


def _check_labels(given: Mapping[str, Samples], samples: Sequence[Path]) -> None:
    """Refuse a label that nobody else has: nothing could be fitted to it."""
    counts = Counter(label for one in given.values() for label in one.classes)
    for (subject, one), path in zip(given.items(), samples, strict=True):
        alone = [label for label in one.classes if counts[label] == 1]
        if alone:
            raise UserError(
                f"{path}: sub-{subject} alone has the label {alone[0]}, so that no other subject "
                "can teach it; name the labels of all subjects alike (`events` of the dataset "
                "file), or take out `across_subjects`"
            )
