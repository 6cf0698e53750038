"""BOLD given as one 4-D image with a table row for every volume: label and run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.cleaned import Columns, Confounds, cleaned_run
from tristream.bold.image_checks import Images, check_whole
from tristream.bold.images import check_tr, kept_volumes, open_image, read_mask, read_masked
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.config.layouts import VolumeTableLayout
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt


def prepare(dataset: Dataset, subject: str, run: str, receipt: Receipt) -> Run:
    """Read one run, take out its mean and linear trend, z-score it by itself.

    A volume stands for the start of its acquisition (`start_time` 0), as the table labels whole
    volumes and says nothing finer.

    Parameters
    ----------
    dataset : Dataset
        Its layout is ``volume_table``.
    subject, run : str
        Subject label, and run name: runs of the table, in order of appearance, take the names that
        the descriptor lists.
    receipt : Receipt
        Lists the files.

    Raises
    ------
    UserError
        If image, mask and table don't fit together.
    """
    layout = _layout(dataset)
    source, mask, rows = _open(dataset, receipt)
    used = {"bold": layout.bold, "table of volumes": layout.table}
    if layout.mask:
        used["mask"] = layout.mask
    prepared = part_of_image(dataset, subject, run, receipt, source, mask, rows)
    return replace(prepared, sources={**used, "pipeline": "one image with a table of its volumes"})


def inspect(dataset: Dataset, subject: str, receipt: Receipt) -> Images:
    """Check that image, mask and table fit together; they are of all subjects.

    Raises
    ------
    UserError
        Whatever :func:`prepare` would say that needs no data.
    """
    (path, image), _, rows = _open(dataset, receipt)
    check_whole(path, image)
    return {run: (path, part.stop - part.start) for run, part in rows.items()}


def _layout(dataset: Dataset) -> VolumeTableLayout:
    assert isinstance(dataset.layout, VolumeTableLayout)
    return dataset.layout


def _open(
    dataset: Dataset, receipt: Receipt
) -> tuple[tuple[Path, nib.Nifti1Image], npt.NDArray[np.bool_], dict[str, slice]]:
    """The image and its file, the mask, and the volumes of each run."""
    layout = _layout(dataset)
    path, table = receipt.path(layout.bold), receipt.path(layout.table)
    image = open_image(path, 4)
    check_tr(path, image, {"descriptor": dataset.tr})
    rows = table_runs(table, dataset, image.shape[3], path)
    mask = np.ones(image.shape[:3], bool)
    if layout.mask:
        mask = read_mask(receipt.path(layout.mask), image, path)
    if not mask.any():
        raise UserError(f"{receipt.path(str(layout.mask))}: the mask is empty")
    return (path, image), mask, rows


def part_of_image(
    dataset: Dataset,
    subject: str,
    run: str,
    receipt: Receipt,
    source: tuple[Path, nib.Nifti1Image],
    mask: npt.NDArray[np.bool_],
    rows: Mapping[str, slice],
) -> Run:
    """One run of an image that holds all of them, cleaned by itself.

    Parameters
    ----------
    dataset : Dataset
        Its `tr` and `trims`.
    subject, run : str
        Subject label, and name of the run.
    receipt : Receipt
        Says whether the data are simulated.
    source : (Path, Nifti1Image)
        The image and its file.
    mask : ndarray of bool, shape of a volume
        Voxels; those that don't vary in some run are left out.
    rows : dict of run to slice
        Volumes of every run.

    Raises
    ------
    UserError
        Damaged data, NaN in the mask, or no voxel that varies.
    """
    path, image = source
    whole = read_masked(path, image, mask, slice(None))
    still = {name: np.ptp(whole[part], axis=0) == 0 for name, part in rows.items()}
    constant = np.logical_or.reduce(list(still.values()))
    if constant.all():
        raise UserError(f"{path}: no voxel of the mask varies in every run")
    mask = mask.copy()
    mask[mask] = ~constant
    part = kept_volumes(path, rows[run].stop - rows[run].start, dataset.trims)
    bold = np.ascontiguousarray(whole[rows[run]][part][:, ~constant])
    del whole
    columns = Columns(
        bold,
        np.argwhere(mask).astype(np.int32),
        np.asarray(image.affine, np.float64),
        image.shape[:3],
        int(constant.sum()),
        int((~still[run]).sum()),
    )
    nothing = Confounds.none(len(bold))
    return cleaned_run(dataset, subject, run, receipt, path, part, 0.0, columns, nothing)


def table_runs(table: Path, dataset: Dataset, volumes: int, image: Path) -> dict[str, slice]:
    """Volumes of each run.

    Raises
    ------
    UserError
        If the table has not one row a volume, a run is torn apart, or their number is not the
        descriptor's.
    """
    try:
        lines = [line.split() for line in table.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise UserError(f"{table}: is not UTF-8 text; save it as UTF-8") from None
    runs = [words[-1] for words in lines if words]
    if len(runs) != volumes:
        raise UserError(
            f"{table}: has {len(runs)} rows, but {image.name} has {volumes} volumes; it must have "
            "one row a volume"
        )
    starts = [0] + [n for n in range(1, volumes) if runs[n] != runs[n - 1]]
    if len({runs[n] for n in starts}) < len(starts):
        raise UserError(f"{table}: the volumes of a run don't stand together; sort them by run")
    if len(starts) != len(dataset.runs):
        raise UserError(
            f"{table}: has {len(starts)} runs, the descriptor of {dataset.id} lists "
            f"{len(dataset.runs)}: mend `runs:`"
        )
    stops = [*starts[1:], volumes]
    return {r: slice(a, b) for r, a, b in zip(dataset.runs, starts, stops, strict=True)}
