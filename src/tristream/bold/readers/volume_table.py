"""BOLD given as one 4-D image with a table row for every volume: label and run."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.cleaned import Reading
from tristream.bold.image_checks import Images, RunImage, check_whole
from tristream.bold.nifti import check_tr, open_image, read_mask
from tristream.bold.one_image import START, part_of_image
from tristream.bold.readers.reader import Reader, reads
from tristream.config.layouts import VolumeTableLayout
from tristream.config.settings.bold import ReadSettings
from tristream.errors import UserError


@reads(VolumeTableLayout)
class VolumeTableReader(Reader[VolumeTableLayout]):
    """Reads runs of the table, which in order of appearance take the descriptor's names.

    A volume stands for the start of its acquisition (`start_time` 0), as the table labels whole
    volumes and says nothing finer.
    """

    def inspect(self) -> Images:
        """Image, mask and table, which are of all subjects."""
        (path, image), _, rows = self._open()
        check_whole(path, image)
        return {run: RunImage(path, part.stop - part.start, 0.0) for run, part in rows.items()}

    def prepare(self, run: str) -> Reading:
        """One run."""
        source, mask, rows = self._open()
        used = {"bold": self.layout.bold, "table of volumes": self.layout.table}
        if self.layout.mask:
            used["mask"] = self.layout.mask
        used["pipeline"] = "one image with a table of its volumes"
        return replace(part_of_image(self.settings, run, source, mask, rows), sources=used)

    def methods(self, reading: Reading) -> tuple[str, ...]:
        """What was read, and within which voxels."""
        simulated = "simulated " * self.receipt.simulated
        within = "its mask" if "mask" in reading.sources else "all its voxels that vary"
        return (
            f"One {simulated}image, with a table that names the run of each volume, was read "
            f"within {within}.",
            START,
        )

    def _open(
        self,
    ) -> tuple[tuple[Path, nib.Nifti1Image], npt.NDArray[np.bool_], dict[str, slice]]:
        """The image and its file, the mask, and the volumes of each run."""
        layout, receipt = self.layout, self.receipt
        path, table = receipt.path(layout.bold), receipt.path(layout.table)
        image = open_image(path, 4)
        check_tr(path, image, {"descriptor": self.settings.tr})
        rows = table_runs(table, self.settings, image.shape[3], path)
        mask = np.ones(image.shape[:3], bool)
        if layout.mask:
            mask = read_mask(receipt.path(layout.mask), image, path)
        if not mask.any():
            raise UserError(f"{receipt.path(str(layout.mask))}: the mask is empty")
        return (path, image), mask, rows


def table_runs(table: Path, settings: ReadSettings, volumes: int, image: Path) -> dict[str, slice]:
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
    names = settings.image_runs
    if len(starts) != len(names):
        raise UserError(
            f"{table}: has {len(starts)} runs, the descriptor of {settings.dataset} lists "
            f"{len(names)}: fix `runs:`"
        )
    stops = [*starts[1:], volumes]
    return {r: slice(a, b) for r, a, b in zip(names, starts, stops, strict=True)}
