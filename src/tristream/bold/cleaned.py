"""What readers leave of a run, and the cleaned run that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.bold.cleaning import clean, projection_basis
from tristream.bold.cleaning_text import cleaning_methods
from tristream.bold.quality import mean_and_tsnr
from tristream.bold.run_file import Run
from tristream.config.settings.bold import BoldSettings
from tristream.errors import UserError
from tristream.space.grayordinates import Grayordinates
from tristream.store import Omission

# BOLD has a mean of 20 to 200 standard deviations; z-scores and betas of about none.
HAS_MEAN = 1.0


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
    unsteady : ndarray of bool, shape (volumes,)
        Which of the censored volumes stand before the steady state.
    cutoff : float, optional
        Longest period that the cosines among them leave (s), where it is known.
    """

    values: npt.NDArray[np.float64]
    names: tuple[str, ...]
    censor: npt.NDArray[np.bool_]
    fd: npt.NDArray[np.float64]
    unsteady: npt.NDArray[np.bool_]
    cutoff: float | None = None

    @classmethod
    def none(cls, volumes: int) -> "Confounds":
        """Of a run of which nothing is known."""
        nowhere = np.zeros(volumes, bool)
        return cls(np.empty((volumes, 0)), (), nowhere, np.full(volumes, np.nan), nowhere)

    def of(self, volumes: slice) -> "Confounds":
        """Those of some volumes."""
        parts = self.values[volumes], self.names, self.censor[volumes], self.fd[volumes]
        return Confounds(*parts, self.unsteady[volumes], self.cutoff)


@dataclass(frozen=True)
class Resampling:
    """How raw volumes were sampled at the target's voxels, in one interpolation.

    Attributes
    ----------
    edge : float
        Of the target's voxels (mm).
    steps : tuple of str
        Transforms in the order in which points pass them.
    retimed : bool
        Whether slices were brought to one time before.
    """

    edge: float
    steps: tuple[str, ...]
    retimed: bool = False


@dataclass(frozen=True)
class Reading:
    """One run as its reader leaves it.

    Attributes
    ----------
    run : str
        Its name.
    path : Path
        The image, for messages.
    acquired : int
        Volumes that the run has on disk.
    volumes : slice
        Those that are left, in the run's own count.
    start_time : float
        Where in its acquisition a volume stands (s).
    columns : Columns
        The volumes that are left; `bold` will be overwritten.
    confounds : Confounds
        Of the same volumes.
    omitted, sources, regions
        As in :class:`tristream.bold.run_file.Run`.
    resampling : Resampling, optional
        Where the reader resampled raw volumes.
    onsets : ndarray of shape (trials,), optional
        Where the rows of `columns` are responses to trials, which are not cleaned.
    """

    run: str
    path: Path
    acquired: int
    volumes: slice
    start_time: float
    columns: Columns
    confounds: Confounds
    omitted: tuple[Omission, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    regions: Mapping[str, npt.NDArray[np.int32]] = field(default_factory=dict)
    resampling: Resampling | None = None
    onsets: npt.NDArray[np.float64] | None = None


def cleaned_run(
    settings: BoldSettings, simulated: bool, reading: Reading, methods: tuple[str, ...]
) -> Run:
    """Clean a run: percent of the mean if its rows are to be trials, else z-scores.

    Responses to trials stay as they are.

    Parameters
    ----------
    settings : BoldSettings
        Subject, TR, space, and whether rows are to be trials.
    simulated : bool
        Whether the BOLD is simulated.
    reading : Reading
        What the reader left.
    methods : tuple of str
        What the reader did, in sentences; what cleaning does is added.

    Raises
    ------
    UserError
        If confounds and censored volumes leave too little.
    """
    columns, confounds, kept = reading.columns, reading.confounds, reading.volumes
    if reading.onsets is None:
        mean, tsnr = mean_and_tsnr(columns.bold)
        time = reading.start_time + settings.tr * np.arange(kept.start, kept.stop)
        bold, basis, text, percent = _cleaned(settings, reading, mean, tsnr)
    else:
        time, bold, text, percent = reading.onsets, columns.bold, (), False
        mean = bold.mean(axis=0, dtype=np.float64).astype(np.float32)
        basis, tsnr = np.empty((len(bold), 0)), np.full_like(mean, np.nan)
    return Run(
        subject=settings.subject,
        run=reading.run,
        space=settings.space,
        tr=settings.tr,
        start_time=reading.start_time,
        time=time,
        bold=bold,
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
        simulated=simulated,
        omitted=reading.omitted,
        regions=dict(reading.regions),
        sources=dict(reading.sources),
        own_mask=columns.own_mask,
        percent=percent,
        grayordinates=columns.grayordinates,
        methods=(*methods, *text),
    )


def _cleaned(
    settings: BoldSettings,
    reading: Reading,
    mean: npt.NDArray[np.float32],
    tsnr: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], tuple[str, ...], bool]:
    """BOLD after cleaning, the basis of what was projected out, sentences, whether in percent."""
    columns, confounds = reading.columns, reading.confounds
    try:
        basis = projection_basis(len(columns.bold), confounds.values, confounds.censor)
    except UserError as error:
        raise UserError(f"{reading.path}: {error}") from None
    percent_of = None if settings.trials is None else mean
    if settings.trials is not None and np.median(np.abs(tsnr)) < HAS_MEAN:
        if settings.trials.estimation.scale == "training":
            raise UserError(
                f"{reading.path}: voxels have no mean signal to be in percent of (median of mean "
                f"over standard deviation {np.median(np.abs(tsnr)):.2g}): z-scores or betas; give "
                "responses to trials by `layout: {kind: betas}`, or write `scale: run` under "
                "`trials` of the descriptor"
            )
        percent_of = None
    bold = clean(columns.bold, basis, confounds.censor, percent_of)
    percent = percent_of is not None
    return bold, basis, cleaning_methods(reading, percent), percent
