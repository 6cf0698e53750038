"""Spheres, regions and times of one subject decoded, from its files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.align import samples as index
from tristream.bold.run_file import Run, read_runs
from tristream.config.settings.profile import ProfileSettings
from tristream.decode.decoding_methods import UNITS
from tristream.decode.decoding_samples import Samples, read_samples
from tristream.decode.label_exchange import label_exchange
from tristream.decode.profile_file import KIND, Profile, write_profile
from tristream.decode.profiles import over_time, regions, searchlight_in
from tristream.decode.run_rows import rows_in_order
from tristream.errors import UserError
from tristream.phrases import counted
from tristream.space.grid import Grid
from tristream.space.mesh_faces import mesh_middles
from tristream.space.neighbourhoods import neighbourhoods
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Windows:
    """BOLD around the onset of blocks.

    Attributes
    ----------
    samples : Samples
        Blocks whose window lies in their run, one sample each.
    bold : ndarray of shape (blocks, times, voxels)
    times : list of float
        Seconds after the onset, whole volumes.
    """

    samples: Samples
    bold: Floats
    times: list[float]


def fit(
    bold: Sequence[Path],
    samples: Path,
    output: Path,
    settings: ProfileSettings,
    code: str = "",
    meshes: Path | None = None,
) -> Profile:
    """Decode one subject from each part and write the file of kind ``decoding-profile``.

    Parameters
    ----------
    bold, samples : paths
        As for :func:`tristream.decode.decoding_samples.read_samples`.
    output : Path
        HDF5 file to write.
    settings : ProfileSettings
    code : str
        Fingerprint for the provenance.
    meshes : Path, optional
        Receipt of the meshes of fsLR, for a searchlight on grayordinates.

    Raises
    ------
    UserError
        If the subject's files don't have the parts that are asked for.
    """
    given, found, first = _decoded(bold, samples, settings, meshes)
    omitted = given.omitted
    if found.refusal:
        omitted += (Omission("p", found.refusal),)
    found = replace(found, decoder=settings.decoder)
    methods = (first, _null(given, found, settings))
    provenance = Provenance(KIND, given.simulated, settings.key(), code, omitted, methods)
    write_profile(output, found, provenance)
    return found


def _decoded(
    bold: Sequence[Path], samples: Path, settings: ProfileSettings, meshes: Path | None
) -> tuple[Samples, Profile, str]:
    """What was decoded, and a sentence of what it was decoded from."""
    block, again = settings.block, f"Decoder {settings.decoder} was fitted again"
    if settings.times:
        windows = read_windows(bold, samples, settings)
        given, times = windows.samples, windows.times
        found = replace(
            over_time(given, windows.bold, times, block), over="times", times=np.array(times)
        )
        return (
            given,
            found,
            (
                f"{again} to the single volume at each of {len(times)} times from {times[0]:g} to "
                f"{times[-1]:g} s after the onset, of {len(given.label):,} blocks."
            ),
        )
    given, run = read_samples(bold, samples, block, settings.unit), read_runs(bold[:1])[0]
    if settings.searchlight:
        found, text = _searchlight(run, given, settings, bold[0], meshes)
        return given, found, f"{again} {text}"
    found = regions(given, _columns(run, given, settings, bold[0]), block)
    text = f"{again} in each of {counted(len(found.names), 'region')}."
    return given, replace(found, over="regions"), text


def _searchlight(
    run: Run, given: Samples, settings: ProfileSettings, path: Path, receipt: Path | None
) -> tuple[Profile, str]:
    """What is decoded around each voxel or vertex, and a part of a sentence."""
    radius, where = settings.searchlight, run.grayordinates
    assert radius is not None
    if where is None and not all(run.shape):
        raise UserError(
            f"{path}: it does not say where its voxels are; take out `searchlight`, or name "
            "`regions`"
        )
    grid = Grid(given.ijk, run.affine, run.shape, where and where.take(given.column))
    meshes = mesh_middles(where.vertices, receipt) if where is not None else {}
    lacking = [
        name
        for name, vertices in (zip(where.names, where.vertices, strict=True) if where else [])
        if vertices and name not in meshes
    ]
    if lacking:
        raise UserError(
            f"{path}: no mesh of {lacking[0]} is at hand, along which a searchlight goes (those of "
            "fsaverage5 and, by --meshes, fsLR are known); take out `searchlight`"
        )
    found = searchlight_in(given, neighbourhoods(grid, meshes, radius), settings.block)
    found = replace(
        found,
        over="spheres" if where is None else "neighbourhoods",
        ijk=grid.ijk,
        affine=grid.affine,
        shape=grid.shape,
        grayordinates=grid.grayordinates,
    )
    what = f"(a searchlight [@kriegeskorte2006]; median {np.median(found.size):g} "
    if where is None:
        return found, (
            f"in the sphere of {radius:g} mm around each of {len(found.names):,} voxels {what}"
            "voxels)."
        )
    below = int((~grid.grayordinates.on_mesh).sum()) if grid.grayordinates else 0
    spheres = f", and in the sphere around each of {below:,} voxels beside them" if below else ""
    return found, (
        f"in the vertices within {radius:g} mm of each of {len(found.names) - below:,} vertices, "
        f"along the edges of the mesh half-way through the cortex{spheres} {what}places)."
    )


def _columns(
    run: Run, given: Samples, settings: ProfileSettings, path: Path
) -> dict[str, npt.NDArray[np.intp]]:
    """Voxels of each region."""
    known = ", ".join(run.regions) or "none"
    wanted = settings.regions
    if not wanted:
        raise UserError(
            f"decoders.{settings.decoder}: it names no `searchlight`, `regions` or `times`"
        )
    names = list(run.regions) if wanted == "all" else list(wanted)
    unknown = [name for name in names if name not in run.regions]
    if unknown or not names:
        what = f"region {unknown[0]!r}" if unknown else "named region"
        raise UserError(f"{path}: has no {what} (it has {known}); correct `regions`")
    return {name: np.asarray(run.regions[name], np.intp) for name in names}


def read_windows(bold: Sequence[Path], samples: Path, settings: ProfileSettings) -> Windows:
    """The volumes around the onset of each labelled block.

    The label's own time counts, whatever the decoder's delay. Blocks of which a volume lies outside
    of the run, or is censored, are left out, so that all times are decoded from the same blocks.

    Parameters
    ----------
    bold, samples : paths
    settings : ProfileSettings

    Raises
    ------
    UserError
        If rows are trials or averages of repeats, or a run has no block with a whole window.
    """
    assert settings.times is not None
    reading = settings.block.model_copy(update={"samples": "blocks", "delay": "0 s"})
    given = read_samples(bold, samples, reading, settings.unit)
    table = index.read_samples(samples)[0]
    runs = {run.run: (path, run) for path, run in zip(bold, read_runs(bold), strict=True)}
    tr = next(iter(runs.values()))[1].tr
    first, last = (round(seconds / tr) for seconds in settings.times)
    lags = np.arange(first, last + 1)
    kept, windows = [], []
    for number, name in enumerate(given.runs):
        path, run = runs[name]
        if run.trials:
            raise UserError(f"{path}: its rows are trials, which have no times; take out `times`")
        part = table[table["run"] == name]
        if index.presentations(table, name):
            raise UserError(f"{samples}: repeats are averaged in {name}; take out `times`")
        part = rows_in_order(part, run, path, samples)
        onset = part[part["label"] != ""].groupby("unit")["row"].min()
        for unit in np.flatnonzero(given.run == number):
            rows = int(onset[given.unit_names[unit]]) + lags
            if rows[0] >= 0 and rows[-1] < run.n_volumes and not run.censor[rows].any():
                kept.append(unit)
                windows.append(run.bold[np.ix_(rows, given.column)])
    gone = set(range(len(given.runs))) - set(given.run[kept].tolist())
    if gone:
        raise UserError(
            f"{samples}: no block of {given.runs[min(gone)]} has all volumes from "
            f"{settings.times[0]:g} to {settings.times[1]:g} s in its run; shorten `times`"
        )
    left = len(given.label) - len(kept)
    why = f"a volume between {first * tr:g} and {last * tr:g} s is censored or outside of the run"
    omitted = (Omission(f"{left} of {len(given.label)} blocks", why),) if left else ()
    return Windows(
        samples=replace(
            given,
            x=given.x[kept],
            unit=np.arange(len(kept)),
            label=given.label[kept],
            run=given.run[kept],
            length=given.length[kept],
            item=given.item[kept],
            unit_names=[given.unit_names[unit] for unit in kept],
            omitted=given.omitted + omitted,
        ),
        bold=np.stack(windows).astype(np.float64),
        times=(lags * tr).tolist(),
    )


def _null(given: Samples, found: Profile, settings: ProfileSettings) -> str:
    if found.refusal:
        return f"These accuracies have no p value: {found.refusal}."
    moved = label_exchange(given).described.replace("units", f"{UNITS[settings.unit]}s")
    return (
        f"p values were corrected for all {len(found.names):,} {found.over} by the largest "
        f"accuracy under each of {len(found.largest):,} permutations of {moved} (seed "
        f"{settings.block.seed}), the same for all [@nichols2002]."
    )
