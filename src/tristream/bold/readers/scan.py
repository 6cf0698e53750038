"""BOLD given as one 4-D image of one scan, cut into runs."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.image_checks import Images, check_whole
from tristream.bold.images import check_tr, open_image, read_labels
from tristream.bold.readers.volume_table import part_of_image
from tristream.bold.run_file import Run
from tristream.config.dataset import Dataset
from tristream.config.layouts import ScanLayout
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.store import Omission


def prepare(dataset: Dataset, subject: str, run: str, receipt: Receipt) -> Run:
    """Read one run, take out its mean and linear trend, z-score it by itself.

    A volume stands for the start of its acquisition (`start_time` 0), as neither the image nor the
    table says anything finer. The header's TR must be the descriptor's, or the one that the
    descriptor names as wrong.

    Parameters
    ----------
    dataset : Dataset
        Its layout is ``scan``.
    subject, run : str
        Subject label, and name of one of the runs that the scan is cut into.
    receipt : Receipt
        Lists the files.

    Raises
    ------
    UserError
        If image, mask and descriptor don't fit together.
    """
    layout = _layout(dataset)
    (path, image), labels, omitted = _open(dataset, receipt)
    rows = {
        name: slice(n * layout.volumes, (n + 1) * layout.volumes)
        for n, name in enumerate(dataset.runs)
    }
    prepared = part_of_image(dataset, subject, run, receipt, (path, image), labels > 0, rows)
    found = labels[tuple(prepared.ijk.T)]
    used = {"bold": layout.bold, "events": layout.events}
    if layout.mask:
        used["mask"] = layout.mask
    pipeline = f"one image of a scan, cut into runs of {layout.volumes} volumes"
    return replace(
        prepared,
        omitted=omitted,
        regions=_regions(layout, found, path),
        sources={**used, "pipeline": pipeline},
    )


def inspect(dataset: Dataset, subject: str, receipt: Receipt) -> Images:
    """Check that image, mask and descriptor fit together; they are of all subjects.

    Raises
    ------
    UserError
        Whatever :func:`prepare` would say that needs no data.
    """
    (path, image), _, _ = _open(dataset, receipt)
    check_whole(path, image)
    return {run: (path, _layout(dataset).volumes) for run in dataset.runs}


def _layout(dataset: Dataset) -> ScanLayout:
    assert isinstance(dataset.layout, ScanLayout)
    return dataset.layout


def _open(
    dataset: Dataset, receipt: Receipt
) -> tuple[tuple[Path, nib.Nifti1Image], npt.NDArray[np.int32], tuple[Omission, ...]]:
    """The image and its file, its labels, and what is known to be wrong in its header."""
    layout = _layout(dataset)
    path = receipt.path(layout.bold)
    image = open_image(path, 4)
    omitted = _check_tr(path, image, dataset.tr, layout.header_tr)
    if image.shape[3] != layout.volumes * len(dataset.runs):
        raise UserError(
            f"{path}: has {image.shape[3]} volumes, the descriptor of {dataset.id} lists "
            f"{len(dataset.runs)} runs of {layout.volumes}; mend `runs` or layout.volumes"
        )
    labels = np.ones(image.shape[:3], np.int32)
    if layout.mask:
        labels = read_labels(receipt.path(layout.mask), image, path)
    if not labels.any():
        raise UserError(f"{receipt.path(str(layout.mask))}: the mask is empty")
    return (path, image), labels, omitted


def _check_tr(
    path: Path, image: nib.Nifti1Image, tr: float, wrong: float | None
) -> tuple[Omission, ...]:
    if wrong is None:
        check_tr(path, image, {"descriptor": tr})
        return ()
    check_tr(path, image, {"header_tr of the descriptor": wrong})
    why = f"the header says {wrong:g} s and is known to be wrong; {tr:g} s was taken instead"
    return (Omission("TR of the header", why),)


def _regions(
    layout: ScanLayout, labels: npt.NDArray[np.int32], path: Path
) -> dict[str, npt.NDArray[np.int32]]:
    regions = {
        name: np.flatnonzero(np.isin(labels, wanted)).astype(np.int32)
        for name, wanted in layout.regions.items()
    }
    empty = [name for name, members in regions.items() if not len(members)]
    if empty:
        raise UserError(
            f"{path}: no voxel of region {', '.join(empty)} is in the mask; mend layout.regions"
        )
    return regions
