"""Simulated subjects of a design: their files as the workflow's stages write them, drawn anew.

BOLD is made apart from the package's own alignment: boxcars in continuous time through SPM's
response, noise with its own past, a filter of 128 s. From the run files on everything is the
package's: inventory, splits, sample index, alignment of features, fits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from nilearn.glm.first_level import spm_hrf
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from helpers.calibration_designs import Design
from helpers.encoding_files import encode_settings
from tristream.align.aligned import align_features
from tristream.align.samples import write_samples
from tristream.bold.cleaning import clean, projection_basis
from tristream.bold.high_pass import high_pass_cosines
from tristream.bold.run_file import Run, write_run
from tristream.bold.trials import as_trials
from tristream.config.models import EncodingModel
from tristream.config.runs import whole_run
from tristream.config.settings.align import AlignSettings, SamplesSettings
from tristream.config.settings.partition import PartitionSettings
from tristream.encode.encoding_file import read_encoding
from tristream.encode.fit import fit_subject
from tristream.encode.partition.nested_models import partition_subject
from tristream.features.core.feature_file import About, create_features
from tristream.stimuli.splits import split_table
from tristream.stimuli.tables import (
    LEAKAGE,
    LeakageTable,
    write_inventory,
    write_leakage,
    write_splits,
)
from tristream.store import Provenance

BANDS = ("a", "b")
COLUMNS = 4
# Voxels by which bands are balanced, angles that are tried first, and how often it is tried.
MANY, ANGLES, TRIES = 2400, (-0.15, 0.15), 4
CUT_OFF = 128.0
WRITTEN = ("Made by a simulation.",)


@dataclass(frozen=True)
class World:
    """What voxels answer beside what is planted; shares of their variance, the rest is noise.

    Attributes
    ----------
    rho : float
        Autocorrelation of the noise at a lag of one TR.
    smooth : float
        Standard deviation of a kernel that noise is smoothed with, in voxels.
    items : float, or tuple of float
        Answers to each item, or moment of a film, that have nothing to do with the features; of
        several shares voxels take one in turn.
    shared : float
        The same, alike in all subjects.
    equal : float
        Answers to the features of both bands, by all voxels alike, and as much to each as leaves
        neither the better one (see `Subject.balance`). Of items, band b then has the features that
        band a has of each item's partner.
    other : float
        Answers to the features of band b.
    planted : tuple of float
        Answers to the features of band a: voxels take these shares in turn.
    labels : tuple of float
        Answers to the label of an item; voxels take these shares in turn.
    """

    rho: float = 0.4
    smooth: float = 0.0
    items: float | tuple[float, ...] = 0.0
    shared: float = 0.0
    equal: float = 0.0
    other: float = 0.0
    planted: tuple[float, ...] = ()
    labels: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Shown:
    """Answers of one run: `matrix` (volumes, pieces), pieces are rows `index` of a source."""

    matrix: np.ndarray
    index: np.ndarray

    def answer(self, values: np.ndarray) -> np.ndarray:
        """BOLD of (rows of the source, columns)."""
        return self.matrix @ values[self.index]


class Source:
    """What can be answered: items, or moments of films; and how runs answer it.

    Attributes
    ----------
    names : list of str
        Items, or stimuli.
    timed : bool
        Whether rows are moments.
    """

    def __init__(self, design: Design) -> None:
        events = [event for own in design.timeline.values() for event in own]
        self.timed = events[0].timed
        self.step = max(0.5, design.tr)
        key = "stimulus" if self.timed else "item"
        self.names = sorted({getattr(event, key) for event in events})
        ends = dict.fromkeys(self.names, 0.0)
        for event in events:
            if self.timed:
                name = event.stimulus
                ends[name] = max(ends[name], event.media_start + event.duration)
        self.sizes = {n: int(np.ceil(ends[n] / self.step)) + 2 if self.timed else 1 for n in ends}
        starts = np.concatenate([[0], np.cumsum(list(self.sizes.values()))])
        self.first = dict(zip(self.names, starts[:-1].tolist(), strict=True))
        self.rows = int(starts[-1])
        labels = sorted({event.label for event in events})
        self.labels = np.zeros((self.rows, len(labels)))
        for event in events:
            name = getattr(event, key)
            here = slice(self.first[name], self.first[name] + self.sizes[name])
            self.labels[here, labels.index(event.label)] = 1
        self.shown = {run: self._shown(design, run) for run in design.timeline}
        self.partners = self._partners()

    def _partners(self) -> np.ndarray:
        """Another item that the same runs show, for each (itself where none is left)."""
        alike: dict[tuple[str, ...], list[int]] = {}
        for row in range(self.rows):
            runs = tuple(run for run, shown in self.shown.items() if row in shown.index)
            alike.setdefault(runs, []).append(row)
        partners = np.arange(self.rows)
        for rows in alike.values():
            for one, other in zip(rows[::2], rows[1::2], strict=False):
                partners[[one, other]] = other, one
        return partners

    def _shown(self, design: Design, run: str) -> _Shown:
        begin, end, index = [], [], []
        for event in design.timeline[run]:
            if not self.timed:
                begin.append(event.onset)
                end.append(event.onset + max(event.duration, 0.1))
                index.append(self.first[event.item])
                continue
            moments = np.arange(0, event.duration - 1e-6, self.step)
            begin += (event.onset + moments).tolist()
            end += np.minimum(event.onset + moments + self.step, event.end).tolist()
            at = np.round((event.media_start + moments) / self.step).astype(int)
            index += (self.first[event.stimulus] + at).tolist()
        step = 0.1
        response = np.concatenate([[0.0], np.cumsum(spm_hrf(step, 1, time_length=40.0)) * step])
        clock = np.arange(len(response)) * step
        time = design.times(run)[:, None]
        rise, fall = (np.interp(time - np.array(t), clock, response) for t in (begin, end))
        return _Shown(rise - fall, np.array(index))

    def draw(self, rng: np.random.Generator, columns: int) -> np.ndarray:
        """A value for each row: of its stimulus, and of films from moment to moment."""
        values = rng.standard_normal((len(self.names), columns))
        if not self.timed:
            return values
        past = np.exp(-self.step / 3.0)
        within = np.concatenate(
            [
                lfilter([1], [1, -past], rng.standard_normal((size + 30, columns)), axis=0)[30:]
                for size in self.sizes.values()
            ]
        ) * np.sqrt(1 - past**2)
        between = np.repeat(values, list(self.sizes.values()), axis=0)
        return within + between if len(self.names) > 1 else within


class Subject:
    """One subject of a design, with a folder of files.

    Parameters
    ----------
    design : Design
    folder : Path
        Where its files lie.
    voxels : int
    number : int
        Subjects of one number are the same in every draw; features are those of all.
    """

    def __init__(self, design: Design, folder: Path, voxels: int, number: int = 1) -> None:
        self.design, self.folder, self.voxels, self.number = design, folder, voxels, number
        folder.mkdir(parents=True, exist_ok=True)
        self.source = Source(design)
        self.bold = [folder / f"{run}.h5" for run in design.timeline]
        self.aligned = [folder / f"{band}.h5" for band in BANDS]
        self.samples = folder / "samples.tsv"
        self._fitted: dict[str, Path] = {}
        self.drawn: dict[str, np.ndarray] = {}
        self._write_events()

    @property
    def name(self) -> str:
        return f"{self.number:02}"

    @cached_property
    def _bases(self) -> dict[str, np.ndarray]:
        """What is projected out of each run."""
        times = {run: self.design.times(run) for run in self.design.timeline}
        cosines = {run: high_pass_cosines(t, CUT_OFF) for run, t in times.items()}
        return {run: projection_basis(len(t), cosines[run]) for run, t in times.items()}

    def _write_events(self) -> None:
        design, made = self.design, Provenance("splits", simulated=True)
        timelines = {"all": design.timeline}
        table = split_table(design.reading, design.split, [self.name], timelines)
        write_splits(self.folder / "splits.tsv", table, made)
        write_inventory(
            self.folder / "inventory.tsv",
            timelines,
            design.exchange,
            [],
            Provenance("inventory", simulated=True),
        )
        write_leakage(
            LeakageTable(
                self.folder / "leakage.tsv",
                pd.DataFrame(columns=list(LEAKAGE)),
                [],
                [],
                [],
                None,
                Provenance("leakage", simulated=True, methods=WRITTEN),
            )
        )

    def draw(self, seed: int, world: World) -> None:
        """Write new features and new BOLD; what was fitted before is forgotten."""
        self._draw(seed, world, self.balance(seed, world) if world.equal else 0.0)

    def balance(self, seed: int, world: World) -> float:
        """Which of the two bands is to be answered more, and by how much: an angle.

        Given the features that were drawn and the order that was shown, answers to both bands
        alike leave one of them a little better, which a test of the mean over voxels sees. The
        angle at which neither is, in the mean over many voxels that differ in noise alone.
        """
        many = Subject(self.design, self.folder / "many", MANY, 1000 + self.number)

        def better(angle: float) -> float:
            many._draw(seed, replace(world, planted=()), angle)
            one, other = (read_encoding(many.encoding(band))[0].scores.r for band in BANDS)
            return float((one - other).mean())

        angles = list(ANGLES)
        found = [better(angle) for angle in angles]
        while len(angles) < TRIES:
            (a, b), (x, y) = angles[-2:], found[-2:]
            angles.append(float(np.clip(b - y * (b - a) / (y - x), -np.pi / 4, np.pi / 4)))
            found.append(better(angles[-1]))
        return angles[int(np.argmin(np.abs(found)))]

    def _draw(self, seed: int, world: World, angle: float) -> None:
        self._fitted = {}
        common = np.random.default_rng([seed, 0])
        own = np.random.default_rng([seed, 1, self.number])
        features = {band: self.source.draw(common, COLUMNS) for band in BANDS}
        if world.equal and not self.source.timed:
            features["b"] = features["a"][self.source.partners]
        self.drawn = features
        alike = self._alike(features, angle)
        direction = np.random.default_rng([seed, 2]).standard_normal((alike.shape[1], 1))
        equal = np.repeat(alike @ direction, self.voxels, axis=1)
        for run, y in self._answers(common, own, world, features, equal).items():
            self._write_run(run, y)
        if not self.samples.exists():
            self._write_samples()
        for band, path in zip(BANDS, self.aligned, strict=True):
            self._write_features(band, features[band], path)

    def read_as(self, design: Design, features: bool = True) -> None:
        """Read the events of what was drawn as another design has them; BOLD stays.

        Parameters
        ----------
        design : Design
        features : bool
            False where it has items of which nothing was drawn.
        """
        self._fitted, self.design = {}, design
        self._write_events()
        self._write_samples()
        for band, path in zip(BANDS if features else (), self.aligned, strict=False):
            self._write_features(band, self.drawn[band], path)

    def _answers(
        self,
        common: np.random.Generator,
        own: np.random.Generator,
        world: World,
        features: Mapping[str, np.ndarray],
        equal: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """BOLD of every run before cleaning, (volumes, voxels)."""
        source, voxels = self.source, self.voxels
        shared = source.draw(common, voxels)
        answered = {
            "shared": shared,
            "items": source.draw(own, voxels),
            "equal": equal,
            "other": features["b"] @ own.standard_normal((COLUMNS, voxels)),
            "planted": features["a"] @ own.standard_normal((COLUMNS, voxels)),
            "labels": source.labels @ own.standard_normal((source.labels.shape[1], voxels)),
        }
        share = {name: np.resize(getattr(world, name) or 0.0, voxels) for name in answered}
        left = 1 - sum(share.values())
        # Parts of a run have its noise.
        wholes = {whole_run(run): run for run in source.shown}
        noises = {whole: self._noise(own, run, world) for whole, run in wholes.items()}
        out = {run: np.sqrt(left) * noises[whole_run(run)] for run in source.shown}
        for name, values in answered.items():
            if not share[name].any():
                continue
            answer = {run: shown.answer(values) for run, shown in source.shown.items()}
            size = np.concatenate(list(answer.values())).std(0)
            for run, y in answer.items():
                out[run] += np.sqrt(share[name]) / size * y
        return out

    def _alike(self, features: Mapping[str, np.ndarray], angle: float) -> np.ndarray:
        """What both bands predict, alike at an angle of 0, (rows of the source, columns).

        Partners are then answered alike, and each band predicts as the other does with partners
        changed over. Of films these lie halfway between the principal vectors of the two spans.
        """
        of_a, of_b = np.cos(np.pi / 4 - angle), np.sin(np.pi / 4 - angle)
        if not self.source.timed:
            return of_a * features["a"] + of_b * features["b"]
        a, b = (np.linalg.qr(x - x.mean(0))[0] for x in (features[band] for band in BANDS))
        left, _, right = np.linalg.svd(a.T @ b)
        return of_a * (a @ left) + of_b * (b @ right.T)

    def _noise(self, rng: np.random.Generator, run: str, world: World) -> np.ndarray:
        volumes = len(self.design.times(run))
        noise = rng.standard_normal((volumes + 30, self.voxels))
        if world.smooth:
            noise = gaussian_filter1d(noise, world.smooth, axis=1, mode="wrap")
            noise /= noise.std()
        noise = lfilter([1], [1, -world.rho], noise, axis=0)[30:]
        return noise * np.sqrt(1 - world.rho**2)

    def _write_run(self, name: str, y: np.ndarray) -> None:
        design, basis = self.design, self._bases[name]
        volumes, voxels = y.shape
        none, mean = np.zeros(volumes, bool), np.full(voxels, 1000.0, np.float32)
        signal = clean(
            (1000 + 10 * y).astype(np.float32), basis, none, mean if design.trials else None
        )
        run = Run(
            subject=self.name,
            run=name,
            space="MNI152NLin2009cAsym",
            tr=design.tr,
            start_time=design.tr / 2,
            time=design.times(name),
            bold=signal,
            ijk=np.stack([np.arange(voxels)] * 3, 1).astype(np.int32),
            affine=np.diag([4.0, 4.0, 4.0, 1.0]),
            shape=(voxels, voxels, voxels),
            confounds=np.zeros((volumes, 0)),
            confound_names=(),
            projection=basis,
            censor=none,
            mean=mean,
            tsnr=np.ones(voxels, np.float32),
            fd=np.full(volumes, np.nan),
            constant=0,
            simulated=True,
            methods=WRITTEN,
        )
        if design.trials:
            run = as_trials(run, design.timeline[name], design.trials, design.trims.end)
        write_run(self.folder / f"{name}.h5", run, {})

    def _write_samples(self) -> None:
        design = self.design
        settings = SamplesSettings(
            subject=self.name,
            timeline="all",
            runs=list(design.timeline),
            absent=[],
            trims=design.trims,
            exchange=design.exchange,
            average=design.trials is not None and design.trials.average_repeats == "split",
            samples=design.samples,
        )
        tables = (self.folder / f"{name}.tsv" for name in ("inventory", "splits", "leakage"))
        write_samples(settings, *tables, self.bold, self.samples)

    def _write_features(self, band: str, values: np.ndarray, path: Path) -> None:
        source, features = self.source, path.with_name(f"features_{band}.h5")
        about = About(band, "one", "simulation", "timed" if source.timed else "item")
        with create_features(
            features, about, simulated=True, config={}, code="", methods=WRITTEN
        ) as writer:
            if source.timed:
                for name, first in source.first.items():
                    own = values[first : first + source.sizes[name]]
                    times = (np.arange(len(own)) + 0.5) * source.step
                    writer.stimulus(name, times, source.step, iter([own]))
            else:
                writer.items(source.names, iter([values]))
            writer.names([f"{band}{k}" for k in range(values.shape[1])])
        settings = AlignSettings(timeline="all", absent=[], trims=self.design.trims)
        align_features(settings, features, self.folder / "inventory.tsv", self.bold, path)

    def common_features(self, band: str) -> dict[str, np.ndarray]:
        """Item to its features."""
        return dict(zip(self.source.names, self.drawn[band], strict=True))

    def settings(self, bands: Sequence[str] = BANDS) -> EncodingModel:
        """A model of these bands."""
        return EncodingModel.model_validate(
            {
                "datasets": ["calibration"],
                "bands": {band: [band] for band in bands},
                "delays": [f"{d} TR" for d in self.design.delays],
                "alphas": {"lowest": -1, "highest": 4, "number": 6},
                "candidates": 6,
            }
        )

    def encoding(self, bands: Sequence[str] = BANDS) -> Path:
        """The file of a model of these bands, fitted once a draw."""
        name = "".join(bands)
        if name not in self._fitted:
            path = self.folder / f"encoding_{name}.h5"
            settings = encode_settings(self.settings(bands), name)
            fit_subject(settings, self.name, self.aligned, self.bold, self.samples, path)
            self._fitted[name] = path
        return self._fitted[name]

    def partition(self) -> Path:
        """The file of unique and shared variance of both bands, split anew at each call."""
        path = self.folder / "partition.h5"
        settings = PartitionSettings(
            dataset="calibration",
            model="".join(BANDS),
            block=self.settings().fitted_design,
            bands=list(BANDS),
            device="cpu",
        )
        inputs = self.aligned, self.bold, self.samples
        partition_subject(settings, self.encoding(), *inputs, path)
        return path
