"""BOLD given as one 4-D image of one scan, cut into runs."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.cleaned import Reading
from tristream.bold.image_checks import Images, RunImage, check_whole
from tristream.bold.nifti import check_tr, open_image, read_labels
from tristream.bold.one_image import START, part_of_image
from tristream.bold.readers.reader import Reader, reads
from tristream.config.layouts import ScanLayout
from tristream.errors import UserError
from tristream.store import Omission


@reads(ScanLayout)
class ScanReader(Reader[ScanLayout]):
    """Reads the runs that one scan is cut into.

    A volume stands for the start of its acquisition (`start_time` 0), as neither the image nor the
    table says anything finer. The header's TR must be the descriptor's, or the one that the
    descriptor names as wrong.
    """

    def inspect(self) -> Images:
        """Image, mask and descriptor, which are of all subjects."""
        (path, image), _, _ = self._open()
        check_whole(path, image)
        volumes = self.layout.volumes
        return {run: RunImage(path, volumes, 0.0) for run in self.settings.image_runs}

    def prepare(self, run: str) -> Reading:
        """One run, and the regions that its voxels belong to."""
        layout = self.layout
        (path, image), labels, omitted = self._open()
        rows = {
            name: slice(n * layout.volumes, (n + 1) * layout.volumes)
            for n, name in enumerate(self.settings.image_runs)
        }
        part = part_of_image(self.settings, run, (path, image), labels > 0, rows)
        used = {"bold": layout.bold, "events": layout.events}
        if layout.mask:
            used["mask"] = layout.mask
        used["pipeline"] = f"one image of a scan, cut into runs of {layout.volumes} volumes"
        regions = _regions(layout, labels[tuple(part.columns.ijk.T)], path)
        return replace(part, omitted=omitted, regions=regions, sources=used)

    def methods(self, reading: Reading) -> tuple[str, ...]:
        """What was read, how it was cut, and within which voxels."""
        simulated = "simulated " * self.receipt.simulated
        within = "its mask" if "mask" in reading.sources else "all its voxels that vary"
        found = [
            f"One {simulated}image of a continuous scan was read within {within} and cut into runs "
            f"of {reading.acquired} volumes.",
            START,
        ]
        if reading.omitted:
            found.append(
                f"The repetition time of the image's header, {self.layout.header_tr:g} s, is known "
                f"to be wrong; {self.settings.tr:g} s was taken instead."
            )
        return tuple(found)

    def _open(
        self,
    ) -> tuple[tuple[Path, nib.Nifti1Image], npt.NDArray[np.int32], tuple[Omission, ...]]:
        """The image and its file, its labels, and what is known to be wrong in its header."""
        layout, settings = self.layout, self.settings
        path, runs = self.receipt.path(layout.bold), settings.image_runs
        image = open_image(path, 4)
        omitted = _check_tr(path, image, settings.tr, layout.header_tr)
        if image.shape[3] != layout.volumes * len(runs):
            raise UserError(
                f"{path}: has {image.shape[3]} volumes, the descriptor of {settings.dataset} lists "
                f"{len(runs)} runs of {layout.volumes}; fix `runs` or layout.volumes"
            )
        labels = np.ones(image.shape[:3], np.int32)
        if layout.mask:
            labels = read_labels(self.receipt.path(layout.mask), image, path)
        if not labels.any():
            raise UserError(f"{self.receipt.path(str(layout.mask))}: the mask is empty")
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
            f"{path}: no voxel of region {', '.join(empty)} is in the mask; fix layout.regions"
        )
    return regions
