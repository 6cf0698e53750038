"""The file of one BOLD run: what `bold prepare` writes and every later stage reads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from tristream.errors import UserError
from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.store import (
    Omission,
    Provenance,
    create_h5,
    json_attribute,
    open_h5,
    provenance_of,
    read_strings,
    write_strings,
)

KIND = "bold"
# Voxels a chunk: a chunk holds all volumes of the run, as encoders read blocks of voxels.
CHUNK = 1024


@dataclass(frozen=True)
class Trials:
    """Trials as the rows of a run file; `time` is their onset.

    Attributes
    ----------
    estimate : str
        ``mean``, ``lsa``, ``lss``, ``glmsingle`` or ``given``.
    scale : str
        What the rows are scaled by, see :mod:`tristream.bold.trials`.
    duration : ndarray of shape (trials,)
        Seconds.
    averaged : ndarray of int, shape (trials,)
        Presentations that a row is the mean of.
    """

    estimate: str
    scale: str
    duration: npt.NDArray[np.float64]
    averaged: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Run:
    """One cleaned run of one subject.

    Attributes
    ----------
    subject, run, space : str
        Subject label, BIDS entities of the run, name of the reference space.
    tr, start_time : float
        Seconds; `start_time` is where in its acquisition the first volume stands.
    time : ndarray of shape (volumes,)
        Seconds from the start of the run at which each kept volume stands.
    bold : ndarray of float32, shape (volumes, voxels)
        Cleaned BOLD, each voxel z-scored by the run; censored volumes are zero. No columns if the
        run was read without it.
    ijk : ndarray of int32, shape (voxels, 3)
        Voxel indices in the reference image; (vertex, 0, 0) on a surface.
    affine : ndarray of shape (4, 4)
        From voxel indices to millimetres.
    shape : tuple of int
        Shape of the reference image; zeros where no column is a voxel.
    confounds : ndarray of shape (volumes, k)
        Confounds as they were read.
    confound_names : tuple of str
        Their names.
    projection : ndarray of shape (volumes, q)
        Orthonormal basis of all that was projected out: mean, trend, confounds, censored volumes.
    censor : ndarray of bool, shape (volumes,)
        Volumes that carry no data.
    mean, tsnr : ndarray of shape (voxels,)
        Temporal mean, and mean over standard deviation, before cleaning.
    fd : ndarray of shape (volumes,)
        Framewise displacement in mm; NaN where unknown.
    constant : int
        Voxels of the mask that are left out because they don't vary in some run.
    simulated : bool
        Whether the BOLD is simulated.
    omitted : tuple of Omission
        What the reader should know is not there, or was assumed.
    methods : tuple of str
        What was done to make the run, in sentences with citations (``[@key]``).
    regions : dict of str to ndarray of int32
        Named regions of the dataset: which of the file's voxels they hold, rising.
    trials : Trials, optional
        What the rows are where they are trials instead of volumes.
    percent : bool
        Whether volumes are in percent of each voxel's mean instead of z-scores, for trials to be
        estimated from.
    sources : dict of str to str
        Files and transforms that went into the run, by their part, and the ``pipeline`` in words.
    own_mask : int, optional
        Voxels that the run alone would have: its own mask, before what other runs lack was left
        out.
    grayordinates : Grayordinates, optional
        What structures the columns lie on, where they are not all voxels.
    """

    subject: str
    run: str
    space: str
    tr: float
    start_time: float
    time: npt.NDArray[np.float64]
    bold: npt.NDArray[np.float32]
    ijk: npt.NDArray[np.int32]
    affine: npt.NDArray[np.float64]
    shape: tuple[int, ...]
    confounds: npt.NDArray[np.float64]
    confound_names: tuple[str, ...]
    projection: npt.NDArray[np.float64]
    censor: npt.NDArray[np.bool_]
    mean: npt.NDArray[np.float32]
    tsnr: npt.NDArray[np.float32]
    fd: npt.NDArray[np.float64]
    constant: int
    simulated: bool
    omitted: tuple[Omission, ...] = field(default=())
    methods: tuple[str, ...] = ()
    regions: dict[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    trials: Trials | None = None
    percent: bool = False
    sources: dict[str, str] = field(default_factory=dict)
    own_mask: int | None = None
    grayordinates: Grayordinates | None = None

    @property
    def n_volumes(self) -> int:
        """Rows of the file: volumes, or trials."""
        return len(self.time)

    @property
    def mask_overlap(self) -> float | None:
        """Dice coefficient of the run's own mask and the voxels that all runs share."""
        if self.own_mask is None:
            return None
        return 2 * len(self.ijk) / (len(self.ijk) + self.own_mask)


def write_run(path: Path | str, run: Run, config: dict[str, object], code: str = "") -> None:
    """Write a run, atomically.

    Parameters
    ----------
    path : Path
        The file to write.
    run : Run
        Its content.
    config : dict
        Config keys that made it, for the provenance.
    code : str
        Fingerprint of the code that made it.
    """
    provenance = Provenance(KIND, run.simulated, config, code, run.omitted, run.methods)
    with create_h5(path, provenance) as file:
        volumes, voxels = run.bold.shape
        chunks = (volumes, min(CHUNK, voxels))
        file.create_dataset("bold", data=run.bold, dtype="f4", chunks=chunks, compression="lzf")
        for name in ("time", "ijk", "affine", "shape", "confounds", "projection", "censor"):
            file[name] = getattr(run, name)
        for name in ("mean", "tsnr", "fd"):
            file[name] = getattr(run, name)
        grayordinates.write(file, run.grayordinates)
        write_strings(file, "confound_names", run.confound_names)
        for name in ("tr", "start_time", "subject", "run", "space", "constant"):
            file.attrs[name] = getattr(run, name)
        for name, members in run.regions.items():
            file[f"regions/{name}"] = members
        file.attrs["sources"] = json.dumps(run.sources)
        if run.own_mask is not None:
            file.attrs["own_mask"] = run.own_mask
        file.attrs["rows"] = "trials" if run.trials else "volumes"
        file.attrs["standardized"] = _scale_of(run)
        if run.trials:
            file.attrs["estimate"] = run.trials.estimate
            file["trials/duration"] = run.trials.duration
            file["trials/averaged"] = run.trials.averaged


def _scale_of(run: Run) -> str:
    if run.trials:
        return run.trials.scale
    return "percent" if run.percent else "run"


def read_run(path: Path | str, *, signal: bool = True, voxels: slice = slice(None)) -> Run:
    """Read a run.

    Parameters
    ----------
    path : Path
        A file that :func:`write_run` wrote.
    signal : bool
        False: leave `bold` on disk (it gets no columns).
    voxels : slice
        Which voxels to read; cuts `bold`, `ijk`, `mean` and `tsnr`. Regions count in the whole
        file's voxels.

    Raises
    ------
    UserError
        If the file is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        try:
            return _from_file(file, Path(path), signal, voxels, provenance)
        except (KeyError, OSError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not a whole run ({error}); delete it and run again") from None


def run_provenance(path: Path | str) -> Provenance:
    """The provenance of a run's file."""
    return provenance_of(path, KIND)


def read_some_voxels(path: Path | str, voxels: Sequence[slice]) -> npt.NDArray[np.float32]:
    """Cleaned BOLD of some voxels, of shape (volumes, voxels).

    Parameters
    ----------
    path : Path
        A run's file.
    voxels : sequence of slice
        Voxels to read, each within one chunk (`CHUNK`); may have a step.

    Raises
    ------
    UserError
        If the file is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, _):
        try:
            # Whole chunks are read: with a step HDF5 takes one voxel after another.
            parts = [file["bold"][:, s.start : s.stop][:, :: s.step] for s in voxels]
        except (KeyError, OSError) as error:
            raise UserError(f"{path}: not a whole run ({error}); delete it and run again") from None
    return np.concatenate(parts, axis=1)


def _from_file(
    file: h5py.File, path: Path, signal: bool, voxels: slice, provenance: Provenance
) -> Run:
    attrs = file.attrs
    return Run(
        subject=str(attrs["subject"]),
        run=str(attrs["run"]),
        space=str(attrs["space"]),
        tr=float(attrs["tr"]),
        start_time=float(attrs["start_time"]),
        time=file["time"][()],
        bold=file["bold"][:, voxels if signal else slice(0, 0)],
        ijk=file["ijk"][voxels],
        affine=file["affine"][()],
        shape=tuple(int(n) for n in file["shape"][()]),
        confounds=file["confounds"][()],
        confound_names=tuple(read_strings(file, "confound_names")),
        projection=file["projection"][()],
        censor=file["censor"][()].astype(bool),
        mean=file["mean"][voxels],
        tsnr=file["tsnr"][voxels],
        fd=file["fd"][()],
        constant=int(attrs["constant"]),
        simulated=provenance.simulated,
        omitted=provenance.omitted,
        methods=provenance.methods,
        regions={name: members[()] for name, members in file.get("regions", {}).items()},
        trials=_trials(file),
        percent=attrs.get("standardized") == "percent",
        sources=json_attribute(file, "sources", path, {}),
        own_mask=int(attrs["own_mask"]) if "own_mask" in attrs else None,
        grayordinates=grayordinates.read(file, voxels),
    )


def _trials(file: h5py.File) -> Trials | None:
    if file.attrs.get("rows", "volumes") == "volumes":
        return None
    return Trials(
        str(file.attrs["estimate"]),
        str(file.attrs["standardized"]),
        file["trials/duration"][()],
        file["trials/averaged"][()],
    )


def read_runs(paths: Sequence[Path | str], *, signal: bool = True) -> list[Run]:
    """Read runs of one subject and check that they share subject, TR, voxels and affine.

    Raises
    ------
    UserError
        If no file is given, or two runs don't fit together.
    """
    if not paths:
        raise UserError("no run files were given; name them with --bold or --runs")
    runs = [read_run(path, signal=signal) for path in paths]
    first = runs[0]
    for path, run in zip(paths[1:], runs[1:], strict=True):
        against = f"{path}: differs from {paths[0]} in"
        for name in ("subject", "space", "tr", "shape"):
            ours, theirs = getattr(run, name), getattr(first, name)
            if ours != theirs:
                raise UserError(f"{against} {name} ({ours}, not {theirs}); prepare both again")
        if not np.array_equal(run.ijk, first.ijk) or not grayordinates.same(
            run.grayordinates, first.grayordinates
        ):
            raise UserError(
                f"{against} its voxels ({len(run.ijk)}, not {len(first.ijk)}); prepare both again"
            )
        if not np.allclose(run.affine, first.affine, atol=1e-4):
            raise UserError(f"{against} the affine of its image; prepare both again")
    return runs
