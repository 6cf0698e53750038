"""The index of a subject's runs: that they fit together, and how good each of them is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tristream.bold.run_file import Run, read_runs
from tristream.config.settings.bold import IndexSettings
from tristream.errors import UserError
from tristream.store import Provenance, read_json, write_json

KIND = "bold-index"


@dataclass(frozen=True)
class IndexedRun:
    """Quality of one run.

    Attributes
    ----------
    run, file : str
        Its name, and the name of its file beside the index.
    volumes : int
        Rows of the file: volumes, or trials.
    tr, start_time : float
        Seconds; `start_time` is where in its acquisition the first volume stands.
    tsnr_median : float or None
        Over voxels; None where rows are responses that were given.
    fd_mean : float or None
        Framewise displacement in mm; None where unknown.
    censored : int
        Rows that carry no data.
    mask_voxels : int
        Voxels that all runs share.
    mask_overlap : float or None
        Dice coefficient of the run's own mask and the shared one.
    confounds, projected : int
        Confounds that were read, and dimensions that were projected out with mean and trend.
    """

    run: str
    file: str
    volumes: int
    tr: float
    start_time: float
    tsnr_median: float | None
    fd_mean: float | None
    censored: int
    mask_voxels: int
    mask_overlap: float | None
    confounds: int
    projected: int

    @classmethod
    def of(cls, path: Path, run: Run) -> "IndexedRun":
        """Measure a run; `path` is its file."""
        known = run.fd[np.isfinite(run.fd)]
        return cls(
            run=run.run,
            file=Path(path).name,
            volumes=run.n_volumes,
            tr=run.tr,
            start_time=run.start_time,
            tsnr_median=None if np.isnan(run.tsnr).all() else round(float(np.median(run.tsnr)), 3),
            fd_mean=round(float(known.mean()), 4) if len(known) else None,
            censored=int(run.censor.sum()),
            mask_voxels=len(run.ijk),
            mask_overlap=None if run.mask_overlap is None else round(run.mask_overlap, 4),
            confounds=len(run.confound_names),
            projected=run.projection.shape[1],
        )


@dataclass(frozen=True)
class BoldIndex:
    """Runs of one subject, in the descriptor's order.

    Attributes
    ----------
    path : Path
        Of the index.
    subject, space : str
        Subject label, and name of the space that the runs lie in.
    constant_voxels : int
        Voxels left out of the mask because they don't vary in some run.
    runs : tuple of IndexedRun
    provenance : Provenance
    """

    path: Path
    subject: str
    space: str
    constant_voxels: int
    runs: tuple[IndexedRun, ...]
    provenance: Provenance

    @property
    def files(self) -> list[Path]:
        """The runs' files."""
        return [self.path.parent / Path(run.file).name for run in self.runs]


def read_index(path: Path) -> BoldIndex:
    """Read what :func:`write_index` wrote.

    Raises
    ------
    UserError
        If it is missing, damaged, or lists no run.
    """
    content, provenance = read_json(path, KIND)
    try:
        runs = tuple(IndexedRun(**run) for run in content["runs"])
        about = content["subject"], content["space"], content["constant_voxels"]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a whole index ({error}); delete it and run again") from None
    if not runs:
        raise UserError(f"{path}: lists no run; delete it and run again")
    return BoldIndex(Path(path), *about, runs, provenance)


def write_index(
    settings: IndexSettings, paths: Sequence[Path], output: Path, code: str = ""
) -> None:
    """Check that a subject's runs fit together, and write their index with quality measures.

    Parameters
    ----------
    settings : IndexSettings
        The subject, and the runs that there must be.
    paths : sequence of Path
        The runs' files, in any order.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If a run of the descriptor is missing, or runs differ in voxels, affine or TR.
    """
    runs = read_runs(paths, signal=False)
    found = {run.run: (path, run) for path, run in zip(paths, runs, strict=True)}
    wanted = settings.runs
    if sorted(found) != sorted(wanted):
        raise UserError(
            f"{output}: sub-{settings.subject} has runs {', '.join(wanted)}, but was given "
            f"{', '.join(found)}; prepare the missing ones, or list them under `missing:`"
        )
    first = runs[0]
    content = {
        "subject": settings.subject,
        "space": first.space,
        "constant_voxels": first.constant,
        "runs": [asdict(IndexedRun.of(*found[run])) for run in wanted],
    }
    omitted = tuple(dict.fromkeys(o for run in runs for o in run.omitted))
    simulated = any(run.simulated for run in runs)
    write_json(output, content, Provenance(KIND, simulated, settings.key(), code, omitted))
