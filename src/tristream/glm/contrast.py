"""t maps of a contrast between conditions, from one subject's run files.

Each run's model holds the expected responses and the basis of all that cleaning projected out. By
the theorem of Frisch, Waugh and Lovell, it gives for the cleaned BOLD what it would give for the
BOLD before cleaning: the same estimates, noise, t, and degrees of freedom. Runs are joined by
nilearn's fixed effects, each voxel in units of its own run's standard deviation.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from nilearn.glm.contrasts import Contrast as Estimate
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import run_glm

from tristream.align.timeline import check_fit
from tristream.bold.run_file import Run, read_run, read_runs
from tristream.config.contrast import Contrast
from tristream.config.dataset import Dataset
from tristream.config.layouts import ScanLayout
from tristream.errors import UserError
from tristream.glm.design_matrix import carried, design
from tristream.space import grayordinates
from tristream.space.grayordinates import Grayordinates
from tristream.stimuli.tables import read_inventory
from tristream.stimuli.timelines import Event
from tristream.store import Omission, Provenance, create_h5, open_h5, write_strings

KIND = "contrast"


@dataclass(frozen=True)
class Result:
    """A contrast of one subject, as it stands in its file.

    Attributes
    ----------
    t, z : ndarray of shape (voxels,)
    ijk : ndarray of shape (voxels, 3)
    affine : ndarray of shape (4, 4)
    shape : tuple of int
    regions : dict of str to ndarray of int
        The dataset's regions: which voxels they hold.
    dof : float
        Degrees of freedom, over all runs.
    runs : list of str
        Those that hold all conditions of the contrast.
    conditions : dict of str to int
        Events of each in these runs.
    simulated : bool
    omitted : tuple of Omission
    grayordinates : Grayordinates or None
        Structures of BOLD on surfaces.
    """

    t: npt.NDArray[np.float32]
    z: npt.NDArray[np.float32]
    ijk: npt.NDArray[np.int32]
    affine: npt.NDArray[np.float64]
    shape: tuple[int, int, int]
    regions: dict[str, npt.NDArray[np.int32]]
    dof: float
    runs: list[str]
    conditions: dict[str, int]
    simulated: bool
    omitted: tuple[Omission, ...]
    grayordinates: Grayordinates | None = None


def write_contrast(
    dataset: Dataset,
    subject: str,
    name: str,
    block: Contrast,
    inventory: Path,
    bold: Sequence[Path],
    output: Path,
    code: str = "",
) -> None:
    """Fit a contrast and write its file.

    Parameters
    ----------
    dataset : Dataset
        The descriptor.
    subject, name : str
        Subject label; name of the contrast.
    block : Contrast
        As configured.
    inventory : Path
        Events.
    bold : list of Path
        The subject's run files.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If rows are trials, events outlast the BOLD, or no run holds all labels of the contrast.
    """
    heads = read_runs(bold, signal=False)
    if heads[0].trials:
        raise UserError(
            f"{bold[0]}: its rows are trials; a contrast needs volumes: leave `trials` out of the "
            "descriptor"
        )
    listed = read_inventory(inventory)
    events = listed.timeline(dataset.timeline_of(subject))
    check_fit(events, heads, dataset.trims, inventory, dataset.absent_of(subject))
    timed = _timed(dataset, [head.run for head in heads], events)
    total, used, counts = None, [], dict[str, int]()
    for path, head in zip(bold, heads, strict=True):
        estimate = fit_run(read_run(path), timed[head.run], block)
        if estimate is None:
            continue
        total = estimate if total is None else total + estimate
        used.append(head.run)
        for event in events[head.run]:
            counts[event.label or event.item] = counts.get(event.label or event.item, 0) + 1
    if total is None:
        known = sorted({e.label or e.item for own in events.values() for e in own if e.keep})
        raise UserError(
            f"contrasts.{name}: no run of {dataset.id} sub-{subject} shows all of "
            f"{', '.join([*block.plus, *block.minus])}; it shows {', '.join(known)}"
        )
    omitted = list(dict.fromkeys(o for head in heads for o in head.omitted))
    if left := [head.run for head in heads if head.run not in used]:
        omitted.append(Omission(", ".join(left), f"not all conditions of {name} are shown there"))
    first, simulated = heads[0], listed.provenance.simulated
    simulated = simulated or any(head.simulated for head in heads)
    config = {"contrast": block.model_dump(mode="json", exclude={"threshold", "datasets"})}
    provenance = Provenance(KIND, simulated, config, code, tuple(omitted))
    with create_h5(output, provenance) as file:
        file["effect"] = np.asarray(total.effect_size(), np.float32).ravel()
        file["variance"] = np.asarray(total.effect_variance(), np.float32).ravel()
        file["t"] = np.nan_to_num(np.asarray(total.stat(), np.float32).ravel())
        file["z"] = np.nan_to_num(np.asarray(total.z_score(), np.float32).ravel())
        for key in ("ijk", "affine", "shape"):
            file[key] = getattr(first, key)
        grayordinates.write(file, first.grayordinates)
        for region, members in first.regions.items():
            file[f"regions/{region}"] = members
        write_strings(file, "runs", used)
        file.attrs.update(dataset=dataset.id, subject=subject, contrast=name, dof=float(total.dof))
        file.attrs["conditions"] = json.dumps(counts)


def fit_run(run: Run, events: Sequence[tuple[float, Event]], block: Contrast) -> Estimate | None:
    """Effect and variance of the contrast in one run; None if a condition of it is not shown.

    Parameters
    ----------
    run : Run
        With its BOLD.
    events : list of (onset, Event)
        Seconds of the run; from before it, too.
    block : Contrast
        As configured.
    """
    responses, names = design(run, events, block.hrf, block.duration)
    if not {*block.plus, *block.minus} <= set(names):
        return None
    weights = np.zeros(responses.shape[1] + run.projection.shape[1])
    for side, labels in ((1, block.plus), (-1, block.minus)):
        for label in labels:
            weights[names.index(label)] = side / len(labels)
    whole = np.concatenate([responses, run.projection], axis=1)
    with warnings.catch_warnings():
        # Of voxels that cleaning explained fully; they get t = 0.
        warnings.simplefilter("ignore", RuntimeWarning)
        labels, fits = run_glm(run.bold.astype(np.float64), whole, noise_model=block.noise)
        return compute_contrast(labels, fits, weights, stat_type="t")


def _timed(
    dataset: Dataset, runs: Sequence[str], events: Mapping[str, Sequence[Event]]
) -> dict[str, list[tuple[float, Event]]]:
    """Events with their onsets; parts of one scan know those of the part before."""
    if isinstance(dataset.layout, ScanLayout):
        return carried(runs, events, dataset.layout.volumes * dataset.tr)
    return {run: [(event.onset, event) for event in events[run]] for run in runs}


def read_contrast(path: Path) -> Result:
    """Read what :func:`write_contrast` wrote.

    Raises
    ------
    UserError
        If the file is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, said):
        i, j, k = (int(n) for n in file["shape"][()])
        return Result(
            t=file["t"][()],
            z=file["z"][()],
            ijk=file["ijk"][()],
            affine=file["affine"][()],
            shape=(i, j, k),
            regions={name: members[()] for name, members in file.get("regions", {}).items()},
            dof=float(file.attrs["dof"]),
            runs=[str(run) for run in file["runs"].asstr()[()]],
            conditions=json.loads(file.attrs["conditions"]),
            simulated=said.simulated,
            omitted=said.omitted,
            grayordinates=grayordinates.read(file),
        )
