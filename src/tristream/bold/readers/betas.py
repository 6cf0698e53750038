"""Responses to single trials (betas) that were estimated before, with a table of the trials."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.bold.cleaned import Columns, Confounds, Reading
from tristream.bold.image_checks import Images, RunImage
from tristream.bold.nifti import check_grid, open_image, same_affine
from tristream.bold.readers.reader import Reader, reads
from tristream.bold.stored_arrays import StoredArray, open_array
from tristream.config.events import TrialTable
from tristream.config.layouts import BetasLayout
from tristream.config.runs import whole_run
from tristream.errors import UserError
from tristream.fetch.contents import filled_path
from tristream.stimuli.trial_table import TrialRow, rows_of_files, trial_rows
from tristream.store import Omission

# Numbers that are read at a time.
BLOCK = 2**24

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Grid:
    """Where the voxels of one trial lie.

    Attributes
    ----------
    mask : ndarray of bool
        Voxels of the image.
    affine : ndarray of shape (4, 4)
    places : ndarray of int, shape (voxels,)
        Of each voxel of the mask, in C order: its place in the flat response to one trial.
    """

    mask: Mask
    affine: npt.NDArray[np.float64]
    places: npt.NDArray[np.intp]

    def same_as(self, other: "_Grid") -> bool:
        """Whether both have the same voxels at the same places."""
        return np.array_equal(self.mask, other.mask) and same_affine(self.affine, other.affine)


@reads(BetasLayout)
class BetasReader(Reader[BetasLayout]):
    """Reads the trials of a run, in the order of the table.

    Voxels that are NaN in all trials, or have one value in all, are left out: this is how programs
    mark what lies outside of the brain.
    """

    def inspect(self) -> Images:
        """Arrays, mask and table: as many trials as rows, voxels that the mask has."""
        files = self._files()
        counts = Counter(row.run for rows in files.values() for row in rows)
        for path, rows in files.items():
            with open_array(path, self.layout.variable) as stored:
                self._grid(stored, self._axis(stored, rows))
        return {
            run: RunImage(self._path(run), counts[whole_run(run)], 0.0)
            for run in self.settings.runs
        }

    def prepare(self, run: str) -> Reading:
        """The responses to the trials of one run, as they are."""
        files, whole = self._files(), whole_run(run)
        path, layout, subject = self._path(run), self.layout, self.settings.subject
        grid, kept, torn = self._scan(files)
        if torn and not layout.drop_nan:
            raise UserError(
                f"{path}: {torn} voxels of {len(kept)} are NaN or infinite in some trials of "
                f"sub-{subject} and not in others; fix the file, or leave them out by `drop_nan: "
                "true` under `layout`"
            )
        if not kept.any():
            raise UserError(f"{path}: no voxel has responses that vary over trials")
        rows = files[path]
        own = np.array([row.run == whole for row in rows])
        taken: list[npt.NDArray[np.float32]] = []
        with open_array(path, layout.variable) as stored:
            for at, block in _blocks(stored, self._axis(stored, rows), len(rows), grid):
                taken.append(block[own[at]][:, kept].astype(np.float32))
            name = stored.name
        bold, mask = np.concatenate(taken), grid.mask.copy()
        mask[mask] = kept
        ijk = np.argwhere(mask).astype(np.int32)
        left_out = int((~kept).sum())
        used = {"bold": self._name(run), "trials": filled_path(layout.trials, subject, run)}
        used |= {"array": name} if name else {}
        used |= {"mask": filled_path(layout.mask, subject, run)} if layout.mask else {}
        used["pipeline"] = "responses to trials, estimated before"
        return Reading(
            run=run,
            path=path,
            acquired=len(bold),
            volumes=slice(0, len(bold)),
            start_time=0.0,
            columns=Columns(bold, ijk, grid.affine, mask.shape, left_out, len(ijk)),
            confounds=Confounds.none(len(bold)),
            omitted=self._omitted(files, torn),
            sources=used,
            onsets=np.array([row.onset for row in rows if row.run == whole]),
        )

    def methods(self, reading: Reading) -> tuple[str, ...]:
        """What was read, and that nothing was done to it."""
        simulated = "simulated " * self.receipt.simulated
        array = reading.sources.get("array", "")
        made = ", as GLMsingle names them [@prince2022]," if array in ("betasmd", "modelmd") else ""
        called = f" from array {array}" if array else ""
        within = " within a mask" if "mask" in reading.sources else ""
        return (
            f"Estimates of the {simulated}responses to single trials (betas){made} were "
            f"read{called}{within}; the study did not estimate them.",
            "They were neither cleaned nor detrended nor standardised within runs, and no "
            "haemodynamic response was assumed: a trial is a sample.",
            "Voxels that have no number in any trial, or the same in all, were left out.",
        )

    def _name(self, run: str) -> str:
        return filled_path(self.layout.responses, self.settings.subject, run)

    def _path(self, run: str) -> Path:
        return self.receipt.path(self._name(run))

    def _files(self) -> dict[Path, list[TrialRow]]:
        """Files of the subject's runs, each with the rows of the table that are its trials."""
        settings, layout = self.settings, self.layout
        rows = trial_rows(
            TrialTable.of(layout), settings.dataset, settings.runs, settings.subject, self.receipt
        )
        named = rows_of_files(layout, rows, settings.runs, settings.subject)
        return {self.receipt.path(name): own for name, own in named.items()}

    def _scan(self, files: Mapping[Path, list[TrialRow]]) -> tuple[_Grid, Mask, int]:
        """Voxels with numbers that vary over all trials; how many have some numbers only."""
        grids: list[_Grid] = []
        for path, rows in files.items():
            with open_array(path, self.layout.variable) as stored:
                axis = self._axis(stored, rows)
                grids.append(self._grid(stored, axis))
                if len(grids) == 1:
                    voxels = len(grids[0].places)
                    low, high = np.full(voxels, np.inf), np.full(voxels, -np.inf)
                    never, torn = np.ones(voxels, bool), np.zeros(voxels, bool)
                elif not grids[-1].same_as(grids[0]):
                    raise UserError(
                        f"{path}: has other voxels than {next(iter(files)).name}; sessions of a "
                        "subject need one grid"
                    )
                for _, block in _blocks(stored, axis, len(rows), grids[-1]):
                    known = np.isfinite(block)
                    never &= ~known.any(axis=0)
                    torn |= ~known.all(axis=0)
                    low = np.minimum(low, np.where(known, block, np.inf).min(axis=0))
                    high = np.maximum(high, np.where(known, block, -np.inf).max(axis=0))
        return grids[0], ~torn & (low < high), int((torn & ~never).sum())

    def _omitted(self, files: Mapping[Path, list[TrialRow]], torn: int) -> tuple[Omission, ...]:
        unlisted = sum(row.run is None for rows in files.values() for row in rows)
        found = []
        if unlisted:
            why = f"{unlisted} rows of the table are of runs that the descriptor does not list"
            found.append(Omission("some trials", why))
        if torn:
            found.append(Omission("some voxels", f"{torn} voxels are NaN in some trials"))
        return tuple(found)

    def _axis(self, stored: StoredArray, rows: list[TrialRow]) -> int:
        """Axis of the trials, which are as many as rows."""
        shape, stated = stored.shape, self.layout.trial_axis
        last, number = len(shape) - 1, len(rows)
        if stored.image is not None:
            stated = "last"
        ends = {"first": 0, "last": last}
        fit = [end for end, axis in ends.items() if shape[axis] == number and stated in (None, end)]
        of = f"{stored.path}{f' ({stored.name})' if stored.name else ''}"
        size = "×".join(map(str, shape))
        if len(shape) not in (2, 4):
            raise UserError(f"{of}: is {size}; responses are trials x voxels, or images of trials")
        if not fit:
            at = f"its {stated} axis is not" if stated else "neither first nor last axis is"
            raise UserError(
                f"{of}: is {size}, but the table of trials has {number} rows: {at} that long; one "
                "row a trial, in the same order"
            )
        if len(fit) == 2:
            raise UserError(f"{of}: is {size}; say which axis is that of trials: layout.trial_axis")
        return ends[fit[0]]

    def _grid(self, stored: StoredArray, axis: int) -> _Grid:
        """Voxels of the mask, or all."""
        layout, shape = self.layout, tuple(n for k, n in enumerate(stored.shape) if k != axis)
        affine = np.eye(4) if stored.image is None else np.asarray(stored.image.affine, np.float64)
        if layout.mask is None:
            shape = (*shape, 1, 1) if len(shape) == 1 else shape
            return _Grid(np.ones(shape, bool), affine, np.arange(np.prod(shape)))
        path = self.receipt.path(
            filled_path(layout.mask, self.settings.subject, self.settings.runs[0])
        )
        image = open_image(path, 3)
        if stored.image is not None:
            check_grid(path, image, stored.path, stored.image, "take the mask of these responses")
        mask = np.asarray(image.dataobj) > 0
        affine = np.asarray(image.affine, np.float64)
        if len(shape) == 3:
            if shape != mask.shape:
                raise UserError(f"{stored.path}: voxels are {shape}, those of {path} {mask.shape}")
            return _Grid(mask, affine, np.flatnonzero(mask))
        if shape[0] != mask.sum():
            raise UserError(
                f"{stored.path}: has {shape[0]} voxels, but {path} has {mask.sum()}; give the mask "
                "that the responses were taken from, or none"
            )
        if layout.voxel_order is None and stored.path.name.lower().endswith(".mat"):
            raise UserError(
                f"{stored.path}: write layout.voxel_order: F if MATLAB took the voxels from the "
                "mask (`betas(mask, :)`), C if numpy did"
            )
        places = np.arange(shape[0])
        if layout.voxel_order == "F":
            rank = np.empty(mask.shape, np.intp)
            rank.T[mask.T] = places
            places = rank[mask]
        return _Grid(mask, affine, places)


def _blocks(
    stored: StoredArray, axis: int, trials: int, grid: _Grid
) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Some trials at a time, and their responses, (trials, voxels of the mask)."""
    step = max(1, BLOCK // (int(np.prod(stored.shape)) // trials))
    for start in range(0, trials, step):
        at = slice(start, min(start + step, trials))
        part = [slice(None)] * len(stored.shape)
        part[axis] = at
        block = np.moveaxis(np.asarray(stored.read(tuple(part)), np.float64), axis, 0)
        yield at, block.reshape(len(block), -1)[:, grid.places]
