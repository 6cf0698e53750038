"""Presets: everything that a simulated experiment is made from, typed and checked.

A preset is a YAML file, ``presets/NAME.yaml`` beside this module or a path of the user's own.
"""

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from tristream.config.base import Label, Name, Section
from tristream.config.recovery import Recovery
from tristream.config.sources import ArchiveSource
from tristream.errors import UserError

FOLDER = Path(__file__).parent / "presets"

Span = Annotated[tuple[float, float], Field(description="lowest and highest value")]


class Film(Section):
    """What is shown, and where in a run it stands.

    Attributes
    ----------
    stimulus : str
        Name in the stimulus table of the dataset's descriptor; feature files use it, too.
    file : str
        What events files call it.
    onset : float
        Second of the run at which the film starts.
    pause : float
        Seconds between two showings in a run.
    lead_out : float
        Seconds that are scanned after its end.
    """

    stimulus: Name
    file: str
    onset: float = Field(gt=0)
    pause: float = Field(default=0, ge=0)
    lead_out: float = Field(ge=0)


class Run(Section):
    """One run: which part of the film it shows (seconds of media time), and how many times."""

    run: str = Field(pattern=r"^task-[A-Za-z0-9]+(_run-[0-9]+)?$")
    media_start: float = Field(ge=0)
    duration: float = Field(gt=0)
    shows: int = Field(default=1, ge=1)


class Stream(Section):
    """Feature layers that belong together, and the signals that are read out of them.

    `linear` counts the mixtures of the features' components that drive voxels, `nonlinear` the
    products of them that do. A stream without either drives no voxel;
    its features count as fitted nevertheless (nuisance). ``fitted: false`` marks features that
    models are not given.
    """

    features: list[str] = Field(min_length=1, description="SPACE/LAYER, as named in the study")
    linear: int = Field(default=0, ge=0)
    nonlinear: int = Field(default=0, ge=0)
    fitted: bool = True

    @field_validator("features")
    @classmethod
    def _layers(cls, features: list[str]) -> list[str]:
        for text in features:
            if text.count("/") != 1 or text.startswith("/") or text.endswith("/"):
                raise ValueError(f"{text!r} is not SPACE/LAYER")
        return features

    @model_validator(mode="after")
    def _nonlinear_needs_linear(self) -> "Stream":
        count = self.linear
        pairs = count * (count - 1) // 2
        if self.nonlinear > pairs:
            raise ValueError(
                f"nonlinear signals are products of pairs of linear ones: {count} linear "
                f"ones make {pairs}"
            )
        return self


class Region(Section):
    """Labels of the atlas whose voxels follow `streams`; without streams they are noise alone."""

    labels: list[int] = Field(min_length=1, description="volumes of the probabilistic atlas")
    streams: list[Name] = []
    ceiling: tuple[float, float] | None = Field(
        default=None, description="mean and deviation, where not that of `noise.ceiling`"
    )


class Readout(Section):
    """How signals follow from features.

    Attributes
    ----------
    high_pass : float
        Slower parts of the features (Hz) drive nothing: no analysis could tell them from drifts.
    components : int
        Principal components per stream that count as "linear in the fitted features".
    share : tuple of float
        Part of a voxel's signal variance that is not linear in them.
    hrf_peak : tuple of float
        Time to peak of the haemodynamic response (s).
    """

    high_pass: float = Field(default=0.01, gt=0)
    components: int = Field(default=10, ge=1)
    share: Span = (0.2, 0.4)
    hrf_peak: Span = (4.5, 7.0)

    @model_validator(mode="after")
    def _ordered(self) -> "Readout":
        for name in ("share", "hrf_peak"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: {low} .. {high} is not a range of positive numbers")
        if self.share[1] >= 1:
            raise ValueError("share: must stay below 1")
        return self


class Noise(Section):
    """What stands on top of the signal.

    Attributes
    ----------
    ceiling : tuple of float
        Mean and standard deviation of the ceiling r over voxels (noise-free signal against the
        averaged test run, once drifts and motion are projected out of both).
    ceiling_limits : tuple of float
        Ceilings are drawn within these.
    percent : float
        Standard deviation of the noise, in per cent of the image's mean.
    ar : tuple of float
        First-order autocorrelation at lag one TR.
    fwhm : float
        Smoothness in space (mm).
    drift : float
        Standard deviation of slow drifts, in that of the noise.
    motion : float
        Standard deviation of what head motion adds, in that of the noise, where it adds anything.
    motion_voxels : float
        Part of the voxels to which head motion adds something.
    spikes : float
        Probability that a volume is hit by a sudden movement.
    spike_size : float
        Its size, in standard deviations of the noise.
    """

    ceiling: tuple[float, float] = (0.4, 0.2)
    ceiling_limits: Span = (0.1, 0.8)
    percent: float = Field(default=1.0, gt=0)
    ar: Span = (0.4, 0.6)
    fwhm: float = Field(default=6.0, gt=0)
    drift: float = Field(default=1.0, ge=0)
    motion: float = Field(default=0.5, ge=0)
    motion_voxels: float = Field(default=0.3, ge=0, le=1)
    spikes: float = Field(default=0.01, ge=0, lt=0.5)
    spike_size: float = Field(default=4.0, ge=0)


class Preset(Section):
    """A whole simulated experiment."""

    name: Name
    title: str
    seed: int = 0
    subjects: list[Label] = Field(min_length=1)
    tr: float = Field(gt=0)
    start_time: float = Field(ge=0, description="acquisition time of a volume after its start (s)")
    dummies: int = Field(default=0, ge=0, description="first volumes, before the steady state")
    voxel: float = Field(gt=0, description="edge of a voxel (mm)")
    atlas: ArchiveSource
    probability: int = Field(default=25, ge=1, le=100, description="of an atlas label, in per cent")
    film: Film
    runs: list[Run] = Field(min_length=2)
    streams: dict[Name, Stream] = Field(min_length=1)
    regions: dict[Name, Region] = Field(min_length=1)
    readout: Readout = Readout()
    noise: Noise = Noise()
    # Changes nothing of what is simulated, so that it is in no key and no file of the simulator.
    recovery: Recovery = Field(default=Recovery(), exclude=True)

    @property
    def simulated(self) -> "Preset":
        """The preset as the simulator is given it: without what is asked of models later."""
        return self.model_copy(update={"recovery": Recovery()})

    @property
    def features(self) -> list[str]:
        """All feature layers that are read, as SPACE/LAYER."""
        return list(dict.fromkeys(f for s in self.streams.values() for f in s.features))

    def onsets(self, run: Run) -> list[float]:
        """Seconds of the run at which the film starts."""
        step = run.duration + self.film.pause
        return [round(self.film.onset + step * index, 6) for index in range(run.shows)]

    @property
    def test_runs(self) -> list[Run]:
        """The runs that measure the ceiling: repeats of one part of the film, task ``test``."""
        return [run for run in self.runs if run.run.startswith("task-test")]

    @model_validator(mode="after")
    def _possible(self) -> "Preset":
        if self.start_time >= self.tr:
            raise ValueError(f"start_time: {self.start_time} s is not within a TR of {self.tr} s")
        for name, region in self.regions.items():
            unknown = [
                s for s in region.streams if s not in self.streams or not self.streams[s].linear
            ]
            if unknown:
                raise ValueError(f"regions.{name}.streams: {unknown} drive nothing in `streams`")
        if len({(run.media_start, run.duration) for run in self.test_runs}) != 1:
            raise ValueError("runs: there must be task-test runs, all of the same part of the film")
        labels = sorted(label for region in self.regions.values() for label in region.labels)
        if any(a == b for a, b in pairwise(labels)):
            raise ValueError("regions: a label of the atlas stands in two of them")
        return self


def load_preset(name_or_path: str | Path) -> Preset:
    """Read a preset that ships with the package by its name, or one of your own by its path.

    Raises
    ------
    UserError
        One line a mistake: the file, the key, what is wrong.
    """
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name_or_path}.yaml"
    try:
        content = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.yaml")))
        raise UserError(
            f"{name_or_path}: no such preset; there are {known}, or give the path of a .yaml file"
        ) from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return Preset.model_validate(content)
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError("\n".join(lines)) from None


@cache
def _parsed(text: str) -> Any:
    """YAML of a preset: several rules ask for it while the workflow is parsed."""
    return yaml.safe_load(text)
