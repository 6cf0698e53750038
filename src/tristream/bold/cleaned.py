"""What every road reads of a run, and the cleaned run that it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.bold.cleaning import clean, projection_basis
from tristream.bold.quality import mean_and_tsnr
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.space.grayordinates import Grayordinates
from tristream.store import Omission


@dataclass(frozen=True)
class Columns:
    """BOLD of one run, (volumes, columns), as fetched, and where its columns lie: see `Run`."""

    bold: npt.NDArray[np.float32]
    ijk: npt.NDArray[np.int32]
    affine: npt.NDArray[np.float64]
    shape: tuple[int, ...]
    constant: int
    own_mask: int
    grayordinates: Grayordinates | None = None


@dataclass(frozen=True)
class Confounds:
    """Confounds of volumes of a run.

    Attributes
    ----------
    values : ndarray of shape (volumes, k)
    names : tuple of str
    censor : ndarray of bool, shape (volumes,)
        Volumes before the steady state, and scrubbed ones.
    fd : ndarray of shape (volumes,)
        Framewise displacement in mm; NaN where unknown.
    """

    values: npt.NDArray[np.float64]
    names: tuple[str, ...]
    censor: npt.NDArray[np.bool_]
    fd: npt.NDArray[np.float64]

    @classmethod
    def none(cls, volumes: int) -> "Confounds":
        """Of a run of which nothing is known."""
        unknown = np.full(volumes, np.nan)
        return cls(np.empty((volumes, 0)), (), np.zeros(volumes, bool), unknown)

    def of(self, volumes: slice) -> "Confounds":
        """Those of some volumes."""
        return Confounds(self.values[volumes], self.names, self.censor[volumes], self.fd[volumes])


def cleaned_run(
    dataset: Dataset,
    subject: str,
    run: str,
    receipt: Receipt,
    path: Path,
    volumes: slice,
    start_time: float,
    columns: Columns,
    confounds: Confounds,
    *,
    omitted: Sequence[Omission] = (),
    sources: Mapping[str, str] | None = None,
    regions: Mapping[str, npt.NDArray[np.int32]] | None = None,
) -> Run:
    """Clean a run: percent of the mean if its rows are to be trials, else z-scores.

    Parameters
    ----------
    dataset, subject, run, receipt
        As in :func:`tristream.bold.prepare.prepare_run`.
    path : Path
        The image, for messages.
    volumes : slice
        Which of the run's volumes these are, in its own count.
    start_time : float
        Where in its acquisition a volume stands (s).
    columns : Columns
        These volumes alone; `bold` is overwritten.
    confounds : Confounds
        Of these volumes.
    omitted, sources, regions
        As in :class:`tristream.bold.run_file.Run`.

    Raises
    ------
    UserError
        If confounds and censored volumes leave too little.
    """
    bold = columns.bold
    mean, tsnr = mean_and_tsnr(bold)
    try:
        basis = projection_basis(len(bold), confounds.values, confounds.censor)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return Run(
        subject=subject,
        run=run,
        space=dataset.space or "native",
        tr=dataset.tr,
        start_time=start_time,
        time=start_time + dataset.tr * np.arange(volumes.start, volumes.stop),
        bold=clean(bold, basis, confounds.censor, mean if dataset.trials else None),
        ijk=columns.ijk,
        affine=columns.affine,
        shape=columns.shape,
        confounds=confounds.values,
        confound_names=confounds.names,
        projection=basis,
        censor=confounds.censor,
        mean=mean,
        tsnr=tsnr,
        fd=confounds.fd,
        constant=columns.constant,
        simulated=receipt.simulated,
        omitted=tuple(omitted),
        regions=dict(regions or {}),
        sources=dict(sources or {}),
        own_mask=columns.own_mask,
        grayordinates=columns.grayordinates,
    )
