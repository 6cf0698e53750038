"""Memory and time that each job asks for: a linear model of sizes, held against measured jobs.

``coefficients.json`` beside this module holds, for each place of results, what a unit of each term
takes. A job whose peak may be in one of several phases has a ``memory`` of each (``memory while
fitting``), of which the largest counts. What a unit takes follows from what a job
reads; ``benchmarks/learn_demands.py`` learns constants from Snakemake's benchmark files.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tristream.demands.study_shapes import Shapes
from tristream.errors.json_text import parse
from tristream.results import Layout

if TYPE_CHECKING:
    from tristream.config.load import Resolved

COEFFICIENTS = Path(__file__).with_name("coefficients.json")
MARGIN, SPARE = 1.25, 300
"""A job asks for so much more than the model says, and MB for the two Snakemakes around it."""
SLOWER, STARTS = 4.0, 10
"""Times that another machine may be slower, and minutes for imports from a busy file system."""
STEP = 100
"""MB to which requests are rounded up."""
LONG, SHARED = 900, 4
"""Seconds from which a job divides its work, and the threads that it then asks for: large products
lose little by it, and a study of one subject leaves no core idle."""
HELD = 1074
"""MB of arrays that an encoder keeps in memory: `ROOM` of :mod:`tristream.encode.disk_arrays`."""
OF_VOLUMES = ("trial_model", "trial_volumes", "bold")
"""Places whose jobs read whole runs."""
ARRAYS = ("bold", "aligned")
"""Places whose jobs ask alike: an array of Slurm asks for all what its first job asks."""


@dataclass(frozen=True)
class Sizes:
    """What a job's memory and time depend on.

    Attributes
    ----------
    rows, trained, tested, longest : int
        Volumes of all runs of a subject, of those that a model is fitted to and tested on, of the
        longest.
    voxels : int
        Of a subject.
    bands, weightings : int
        Of a model.
    subjects, models, layers : int
        Of the dataset; of the dataset; of all feature spaces.
    held : float
        MB of an encoder's data, dual weights and predictions; beyond an allowance they lie on disk.
    stacked : int
        Bands of a model by stacking, whose dual weights all stay in memory.
    fits : int
        Times that a model is fitted, with its nested search.
    joined : int
        Layers that are decoded from all regions together by banded ridge regression.
    megabytes, stimuli : float
        Of the largest file of features, or of the weights, that the job reads; of all stimuli.
    """

    rows: int = 0
    trained: int = 0
    tested: int = 0
    longest: int = 0
    voxels: int = 0
    bands: int = 1
    weightings: int = 1
    subjects: int = 1
    models: int = 1
    layers: int = 1
    held: float = 0.0
    stacked: int = 0
    fits: int = 1
    joined: int = 0
    megabytes: float = 0.0
    stimuli: float = 0.0


TERMS: dict[str, Callable[[Sizes], float]] = {
    "one": lambda s: 1.0,
    "voxels": lambda s: s.voxels / 1e3,
    "longest*voxels": lambda s: s.longest * s.voxels / 1e6,
    "rows*voxels": lambda s: s.rows * s.voxels / 1e6,
    "rows*voxels*subjects": lambda s: s.rows * s.voxels * s.subjects / 1e6,
    "trained": lambda s: s.trained / 1e3,
    "tested": lambda s: s.tested / 1e3,
    "held": lambda s: min(s.held, HELD),
    "trained*longest": lambda s: s.trained * s.longest / 1e6,
    "trained*longest*voxels": lambda s: s.trained * s.longest * s.voxels / 1e9,
    "trained*trained": lambda s: s.trained**2 / 1e6,
    "trained*voxels": lambda s: s.trained * s.voxels / 1e6,
    "trained*voxels*stacked": lambda s: s.trained * s.voxels * s.stacked / 1e6,
    "tested*voxels": lambda s: s.tested * s.voxels / 1e6,
    "tested*voxels*subjects": lambda s: s.tested * s.voxels * s.subjects / 1e6,
    "voxels*subjects": lambda s: s.voxels * s.subjects / 1e3,
    "subjects*models": lambda s: s.subjects * s.models,
    "joined": lambda s: float(s.joined > 0),
    "joined*trained*trained": lambda s: (s.joined > 0) * s.trained**2 / 1e6,
    "joined*fits*trained*trained": lambda s: s.joined * s.fits * s.trained**2 / 1e6,
    "megabytes": lambda s: s.megabytes,
    "stimuli": lambda s: s.stimuli,
    "work": lambda s: (
        s.fits * min(s.weightings, 100) * s.trained**2 * (s.voxels + s.trained) / 1e12
    ),
}
"""What a job's memory (MB) and time (s) may grow with; one size alone in thousands, products of two
in millions (of three sizes of volumes and voxels in billions, of `work`, the products of kernel
matrices and data, in trillions)."""

GROWS = {
    "voxels": "a coarser `layout.resolution`, or a smaller `layout.space`, of the dataset",
    "trained": "fewer `runs` of the dataset in config.yaml",
    "rows": "fewer `runs` of the dataset in config.yaml",
    "longest": "runs that are cut, or a coarser `layout.resolution`",
    "tested": "fewer `runs` of the dataset in config.yaml",
    "subjects": "fewer `subjects` of the dataset in config.yaml",
    "megabytes": "fewer `layers` of the feature space",
    "stimuli": "fewer stimuli",
}
"""Size to the key that makes it smaller, those first that cost the least."""
WORDS = dict.fromkeys(("trained", "rows", "longest", "tested"), "volumes") | {
    "voxels": "voxels",
    "subjects": "subjects",
    "megabytes": "MB",
    "stimuli": "MB",
}


Units = dict[str, float]
"""What a unit of each term takes."""


class Demands:
    """What the jobs of a study ask for.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    layers : dict of str to sequence of str
        Layers of each feature space.
    shapes : Shapes, optional
        What is known of the data.
    """

    def __init__(
        self,
        resolved: "Resolved",
        layers: Mapping[str, tuple[str, ...]],
        shapes: Shapes | None = None,
    ) -> None:
        self._resolved = resolved
        self._layers = layers
        self._layout = Layout(resolved.study.results)
        self._shapes = shapes or Shapes(resolved)

    @cached_property
    def _learned(self) -> dict[str, dict[str, Units]]:
        learned: dict[str, dict[str, Units]] = json.loads(COEFFICIENTS.read_text())
        return learned

    def _needs(self, place: str, wildcards: Mapping[str, str]) -> tuple[float, Units]:
        """MB that a job needs, and the units of that part of it which needs the most."""
        sizes, parts = self.sizes(place, wildcards), self._learned[place]
        phases = [units for what, units in parts.items() if what.startswith("memory")]
        return max(((total(units, sizes), units) for units in phases), key=lambda found: found[0])

    def job_of(self, benchmark: Path | str) -> tuple[str, dict[str, str]] | None:
        """The place that the job of a benchmark file writes, and its wildcards."""
        found = self._layout.benchmarked(benchmark, self._learned)
        if found and found[0] == "features" and found[1]["space"] in self._resolved.study.fusion:
            return "fused", found[1]
        return found

    def memory(self, place: str, wildcards: Mapping[str, str], attempt: int = 1) -> int:
        """MB that a job asks for; half as much again with each further try."""
        needs, _ = self._needs(place, wildcards)
        return math.ceil((needs * MARGIN + SPARE) * (1 + attempt) / 2 / STEP) * STEP

    def minutes(self, place: str, wildcards: Mapping[str, str], attempt: int = 1) -> int:
        """Minutes that a job asks for; as many again with each further try."""
        seconds = self._seconds(place, wildcards)
        return math.ceil((seconds * SLOWER / 60 + STARTS) * attempt)

    def threads(self, place: str, wildcards: Mapping[str, str]) -> int:
        """Threads that a job asks for; Snakemake gives no more than there are cores."""
        return SHARED if self._seconds(place, wildcards) > LONG else 1

    def _seconds(self, place: str, wildcards: Mapping[str, str]) -> float:
        return total(self._learned[place]["time"], self.sizes(place, wildcards))

    def sizes(self, place: str, wildcards: Mapping[str, str]) -> Sizes:
        """The sizes of a job; of the largest subject where it has none, or several."""
        study = self._resolved.study
        dataset = wildcards.get("dataset")
        datasets = list(self._resolved.datasets)
        if place in ARRAYS or dataset is None:
            return self._largest(place, datasets)
        about = self._resolved.datasets[dataset]
        one = wildcards.get("subject")
        if one is None:
            shape = self._shapes.largest([dataset])
            subject = self._resolved.subjects[dataset][0]
            volumes = dict.fromkeys(about.runs_of(subject), shape.longest)
        else:
            shape = self._shapes.of(dataset, one)
            volumes = shape.volumes
        # Trials are estimated from all volumes; of other jobs, events say which are samples.
        seen = shape.samples if one is not None and place not in OF_VOLUMES else volumes
        holdout = about.split.scheme == "holdout"
        tested = {run for run in volumes if not holdout or about.split.is_test(run)}
        trained = {run for run in volumes if not holdout or run not in tested}
        models = [m for m in study.models.values() if dataset in m.datasets]
        n, t = (sum(seen[run] for run in runs) for runs in (trained, tested))
        named = [
            study.models[name]
            for key in ("model", "first", "second")
            if (name := wildcards.get(key)) in study.models
        ]
        bands = max((len(model.bands) for model in named or models), default=1)
        stacked = [len(model.bands) for model in named or models if model.kind == "stacking"]
        return Sizes(
            rows=sum(volumes.values()),
            trained=n,
            tested=t,
            longest=max(volumes.values(), default=0),
            voxels=shape.voxels,
            bands=bands,
            # Data and dual weights of the best candidate and of each band; data and predictions.
            held=4 * shape.voxels * (n * (bands + 2) + t * (bands + 3)) / 1e6,
            stacked=max(stacked, default=0),
            weightings=max((model.candidates for model in named or models), default=1),
            subjects=len(self._resolved.subjects[dataset]),
            models=len(models),
            layers=sum(len(layers) for layers in self._layers.values()),
            fits=1 if holdout else len(volumes) + 1,
            joined=self._joined(wildcards),
            megabytes=self._megabytes(place, wildcards),
            stimuli=_received(self._layout.path("stimuli_receipt", dataset=dataset))
            if place == "features"
            else 0.0,
        )

    def _joined(self, wildcards: Mapping[str, str]) -> int:
        """Layers of an identification that banded ridge regression decodes, too."""
        one = self._resolved.study.identification.get(wildcards.get("identification", ""))
        if one is None or not one.banded:
            return 0
        return sum(
            1 if "/" in name else max(len(self._layers.get(name, ())), 1) for name in one.features
        )

    def remedy(self, place: str, wildcards: Mapping[str, str], limit: int) -> str:
        """What would let a job that asks for too much memory fit: a key, and its value.

        Parameters
        ----------
        place : str
            What the job writes.
        wildcards : dict of str to str
            Of the job.
        limit : int
            MB that there are.
        """
        sizes, (_, units) = self.sizes(place, wildcards), self._needs(place, wildcards)
        grown = {name: unit * TERMS[name](sizes) for name, unit in units.items() if name != "one"}
        spendable = (limit - SPARE) / MARGIN - units["one"]
        if spendable <= 0 or not grown:
            return f"no key makes it smaller: it needs {self.memory(place, wildcards) / 1000:g} GB"
        largest = max(grown, key=grown.__getitem__)
        names = ["voxels"] if largest == "held" else largest.split("*")
        size = next(name for name in GROWS if name in names)
        now, share, step = getattr(sizes, size), 0.0, 0.5
        while step > 1e-6:
            tried = {size: now * (share + step), "held": sizes.held * (share + step)}
            if total(units, replace(sizes, **tried)) <= spendable + units["one"]:
                share += step
            step /= 2
        return f"{GROWS[size]} ({now * share:,.0f} {WORDS[size]} fit, not {now:,.0f})"

    def _largest(self, place: str, datasets: list[str]) -> Sizes:
        shape = self._shapes.largest(datasets)
        return Sizes(
            rows=shape.rows,
            longest=shape.longest,
            voxels=shape.voxels,
            megabytes=max(
                (self._megabytes(place, {"dataset": dataset}) for dataset in datasets), default=0.0
            ),
        )

    def _megabytes(self, place: str, wildcards: Mapping[str, str]) -> float:
        """Of the largest file that the job reads and that is here."""
        dataset = wildcards.get("dataset", "")
        if place == "features":
            files = [self._layout.path("weights", space=wildcards["space"])]
            return max((_received(file) for file in files), default=0.0)
        if place not in ("aligned", "lagscan", "encoding", "partition", "fusion", "fused"):
            return 0.0
        paths = (
            self._layout.path("features", dataset=dataset, space=space, layer=layer)
            for space, layers in self._layers.items()
            for layer in layers
        )
        return max((_size(path) for path in paths), default=0.0)


def total(units: Mapping[str, float], sizes: Sizes) -> float:
    """What units of terms come to for a job of some sizes."""
    return sum(unit * TERMS[name](sizes) for name, unit in units.items())


def _size(path: Path) -> float:
    try:
        return path.stat().st_size / 1e6
    except OSError:
        return 0.0


def _received(receipt: Path) -> float:
    """MB of the files that a receipt lists; 0 if it is not there yet."""
    try:
        files = parse(receipt.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return 0.0
    return sum(file.get("size") or 0 for file in files) / 1e6
