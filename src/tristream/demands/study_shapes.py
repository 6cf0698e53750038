"""How large a study's data are: exact where files tell, else as the descriptor says, else judged.

Read while the DAG is planned, thousands of times, so nothing but small JSON files is opened, and
each once.
"""

import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tristream.errors.json_text import parse
from tristream.results import Layout

if TYPE_CHECKING:
    from tristream.config.load import Resolved

VOLUMES = 400
"""Of a run, where nothing tells."""
VOXELS = 60_000
"""Of a brain in its own space at about 3 mm."""
MESHES = {"fsLR": 91_282, "fsaverage5": 20_484, "fsaverage6": 81_924, "fsaverage": 327_684}
MNI_MM3 = 1_830_000
"""Of the brain mask of MNI152NLin2009cAsym."""
BYTES, CLEANED = 1.2, 3.5
"""Of a compressed image, and of a file of cleaned BOLD, for each voxel and volume, at the least."""
AGAIN = 30.0
"""Seconds after which files that were not there are looked for again."""


Samples = Mapping[str, Mapping[str, int]]
"""Of each timeline and run."""


@dataclass(frozen=True)
class Shape:
    """Sizes of one subject's BOLD.

    Attributes
    ----------
    volumes : dict of str to int
        Of each run.
    voxels : int
        That are analysed.
    exact : bool
        Whether the subject's own files told both.
    counted : dict of str to int
        Samples of each run, volumes or trials, as far as events told; empty where they did not.
    """

    volumes: dict[str, int]
    voxels: int
    exact: bool = False
    counted: dict[str, int] = field(default_factory=dict)

    @property
    def samples(self) -> dict[str, int]:
        """Rows of each run that analyses see: at the most all volumes."""
        return {run: min(self.counted.get(run, n), n) for run, n in self.volumes.items()}

    @property
    def rows(self) -> int:
        """Volumes of all runs."""
        return sum(self.volumes.values())

    @property
    def longest(self) -> int:
        """Volumes of the longest run."""
        return max(self.volumes.values(), default=0)


class Shapes:
    """Sizes of the chosen subjects of a study.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    counted : mapping of dataset to samples
        Samples of each timeline's runs, where events are here before there is an inventory.
    """

    def __init__(self, resolved: "Resolved", counted: Mapping[str, Samples] | None = None) -> None:
        self._resolved = resolved
        self._counted = dict(counted or {})
        self._layout = Layout(resolved.study.results)
        self._known: dict[tuple[str, str], Shape] = {}
        self._largest: dict[tuple[str, ...], Shape] = {}
        self._looked = -AGAIN

    def of(self, dataset: str, subject: str) -> Shape:
        """The shape of a subject."""
        self._forget()
        key = dataset, subject
        if key not in self._known:
            self._known[key] = self._look(dataset, subject)
        return self._known[key]

    def _forget(self) -> None:
        """Drop what was judged without files, from time to time."""
        if time.monotonic() - self._looked > AGAIN:
            self._looked = time.monotonic()
            self._known = {key: shape for key, shape in self._known.items() if shape.exact}
            self._largest = {}

    def _look(self, dataset: str, subject: str) -> Shape:
        about = self._resolved.datasets[dataset]
        runs = about.runs_of(subject)
        where = {"dataset": dataset, "subject": subject}
        checked = _json(self._layout.path("checked", **where))
        indexed = _json(self._layout.path("bold_index", **where))
        size = about.size
        volumes = dict.fromkeys(runs, (size.volumes if size else None) or VOLUMES)
        volumes |= {run: n for run, n in checked.get("volumes", {}).items() if run in volumes}
        told = [run["mask_voxels"] for run in indexed.get("runs", [])]
        voxels = max(told) if told else size.voxels if size else None
        if voxels is None:
            voxels = self._judged(dataset)
            values = self._prepared(dataset, subject) or self._images(dataset, subject)
            if values:
                voxels = min(voxels, math.ceil(values / max(volumes.values())))
        own = self._samples(dataset).get(about.timeline_of(subject), {})
        return Shape(volumes, voxels, bool(checked and told), dict(own))

    def _samples(self, dataset: str) -> Samples:
        """Of the inventory, else of events that are here; read once, as it may be large."""
        if dataset not in self._counted:
            path = self._layout.path("inventory", dataset=dataset).with_suffix(".json")
            found = _json(path).get("samples", {})
            if not found:
                return {}
            self._counted[dataset] = found.get("samples", {})
        return self._counted[dataset]

    def largest(self, datasets: Iterable[str]) -> Shape:
        """The longest run and the most voxels of any subject; nothing where there is no dataset."""
        self._forget()
        key = tuple(datasets)
        if key not in self._largest:
            shapes = [self.of(d, s) for d in key for s in self._resolved.subjects[d]]
            runs = {"longest": max((shape.longest for shape in shapes), default=0)}
            self._largest[key] = Shape(runs, max((shape.voxels for shape in shapes), default=0))
        return self._largest[key]

    def _judged(self, dataset: str) -> int:
        """Voxels by the space and resolution that the layout names."""
        layout = self._resolved.datasets[dataset].layout
        space = getattr(layout, "space", None) or ""
        for mesh, vertices in MESHES.items():
            if re.match(rf"{mesh}($|_|\d+k)", space):
                return vertices
        if not space.startswith("MNI"):
            return VOXELS
        named = re.search(r"res-(\d+)", space)
        usual = 1.0 if named and named[1] == "1" else 2.0
        edge = float(getattr(layout, "resolution", None) or usual)
        return round(MNI_MM3 / edge**3)

    def _prepared(self, dataset: str, subject: str) -> float:
        """Volumes x voxels that the largest file of cleaned BOLD holds; 0 if there is none yet."""
        where = {"dataset": dataset, "subject": subject}
        runs = self._resolved.datasets[dataset].runs_of(subject)
        paths = (self._layout.path("bold", run=run, **where) for run in runs)
        return max((path.stat().st_size / CLEANED for path in paths if path.is_file()), default=0.0)

    def _images(self, dataset: str, subject: str) -> float:
        """Volumes x voxels that the subject's largest image of BOLD may hold; 0 if not listed yet.

        Raw images are resampled to other voxels, so their size tells nothing.
        """
        if self._resolved.datasets[dataset].layout.kind not in ("fmriprep", "spm", "volume_table"):
            return 0.0
        where = {"dataset": dataset, "subject": subject}
        listed = _json(self._layout.path("receipt", **where)).get("files", [])
        return max(
            (
                (file.get("size") or 0) / BYTES
                for file in listed
                if "bold" in file["path"] and file["path"].endswith((".nii.gz", ".gii"))
            ),
            default=0.0,
        )


def _json(path: Path) -> dict[str, Any]:
    """A file of results, empty where it is not there (yet, or no longer)."""
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
