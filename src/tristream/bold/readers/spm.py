"""BOLD runs that SPM preprocessed, within the union of the dataset's region masks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.bold.cleaned import Columns, Confounds, Reading
from tristream.bold.epi_mask import epi_mask
from tristream.bold.high_pass import high_pass_cosines
from tristream.bold.image_checks import Images, RunImage, check_whole
from tristream.bold.nifti import (
    check_one_grid,
    check_tr,
    constant_voxels,
    first_mean,
    kept_volumes,
    open_image,
    read_mask,
    read_masked,
    varying,
)
from tristream.bold.pause import middle_in_words, middle_of_scan
from tristream.bold.readers.reader import Reader, reads
from tristream.config.layouts import SpmLayout
from tristream.errors import UserError
from tristream.fetch.contents import filled_path
from tristream.fetch.raw_sidecars import raw_sidecar
from tristream.store import Omission

Mask = npt.NDArray[np.bool_]


@reads(SpmLayout)
class SpmReader(Reader[SpmLayout]):
    """Reads runs in the voxels of all regions, or of the brain.

    Mean, linear trend and the cosines of a high-pass filter (nilearn's, ``layout.high_pass``
    seconds) are projected out. SPM's outputs hold no confounds beside the images, and their slices
    are not corrected for timing unless the dataset says so: a volume stands for the middle of its
    acquisition, TR / 2, and the file says that this was assumed.
    """

    def inspect(self) -> Images:
        """Headers, sidecars, grids and region masks."""
        paths = self._images()
        images = {run: open_image(path, 4) for run, path in paths.items()}
        for run, image in images.items():
            check_whole(paths[run], image)
            self._check_tr(run, paths[run], image)
            kept_volumes(paths[run], image.shape[3], self.settings.trims_of(run, image.shape[3]))
        check_one_grid(list(paths.values()), list(images.values()))
        first = next(iter(paths))
        self._region_masks(images[first], paths[first])
        return {
            run: RunImage(path, images[run].shape[3], self._start_time(run, path)[0])
            for run, path in paths.items()
        }

    def prepare(self, run: str) -> Reading:
        """One run, and the regions that its voxels belong to."""
        settings, trims = self.settings, self.settings.trims
        paths = self._images()
        images = {name: open_image(file, 4) for name, file in paths.items()}
        path, image = paths[run], images[run]
        self._check_tr(run, path, image)
        volumes = kept_volumes(path, image.shape[3], settings.trims_of(run, image.shape[3]))
        everyone = list(paths.values()), list(images.values())
        check_one_grid(*everyone)
        regions = self._region_masks(image, path)
        whole = np.logical_or.reduce(list(regions.values())) if regions else _brain(*everyone)
        if not whole.any():
            raise UserError(
                f"{path}: the mask is empty; name regions in layout.regions, or look at the image"
            )
        mask, constant = varying(whole, *everyone, trims.start)
        columns = Columns(
            read_masked(path, image, mask, volumes),
            np.argwhere(mask).astype(np.int32),
            np.asarray(image.affine, np.float64),
            image.shape[:3],
            constant,
            int((~constant_voxels(path, image, whole, trims.start)).sum()),
        )
        time = np.arange(len(columns.bold), dtype=np.float64) * settings.tr
        start, assumed = self._start_time(run, path)
        cosines = high_pass_cosines(time, self.layout.high_pass)
        return Reading(
            run=run,
            path=path,
            acquired=image.shape[3],
            volumes=volumes,
            start_time=start,
            columns=columns,
            confounds=replace(
                Confounds.none(len(columns.bold)),
                values=cosines,
                names=tuple(f"cosine{n:02d}" for n in range(cosines.shape[1])),
                cutoff=self.layout.high_pass,
            ),
            omitted=(
                assumed,
                Omission("motion confounds", "SPM's outputs in this dataset hold none"),
            ),
            regions={name: _members(own, mask, name, path) for name, own in regions.items()},
            sources=self._sources(path),
        )

    def methods(self, reading: Reading) -> tuple[str, ...]:
        """What was read, and within which voxels."""
        outputs = (
            "Simulated images with the names of SPM's outputs"
            if self.receipt.simulated
            else "Images that SPM had preprocessed"
        )
        where = (
            f"the union of the dataset's regions {', '.join(reading.regions)}"
            if reading.regions
            else "the voxels that nilearn [@nilearn] takes for brain in the first volumes of every "
            "run"
        )
        found = [
            f"{outputs} were read within {where}.",
            middle_in_words(reading.start_time, self.settings.tr),
        ]
        if reading.confounds.names:
            found.append("The cosines of the high-pass filter are those of nilearn [@nilearn].")
        return tuple(found)

    def _sources(self, path: Path) -> dict[str, str]:
        layout = self.layout
        used = {"bold": self.receipt.relative(path)}
        for name in dict.fromkeys(name for union in layout.regions.values() for name in union):
            used[f"mask {name}"] = self._roi(name)
        within = "the dataset's regions" if layout.regions else "nilearn's brain mask of all runs"
        pipeline = f"preprocessed with SPM, read within {within}; high-pass {layout.high_pass:g} s"
        return {**used, "pipeline": pipeline}

    def _images(self) -> dict[str, Path]:
        listed = {file.path for file in self.receipt.files}
        paths = {}
        for run in self.settings.runs:
            path = filled_path(self.layout.bold, self.settings.subject, run)
            if path not in listed:
                raise UserError(
                    f"{self.receipt.root}: has no {path}; fix `runs`, `missing` or layout.bold of "
                    f"{self.settings.dataset}.yaml, or fetch again"
                )
            paths[run] = self.receipt.path(path)
        return paths

    def _check_tr(self, run: str, path: Path, image: nib.Nifti1Image) -> None:
        """The header's TR, the descriptor's and that of the raw run's sidecars agree."""
        trs = {"descriptor": self.settings.tr}
        sidecar = raw_sidecar(self.settings.subject, run, self.receipt)
        try:
            if "RepetitionTime" in sidecar:
                trs["sidecar"] = float(sidecar["RepetitionTime"])
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: its sidecars are not usable ({error}); fix them") from None
        check_tr(path, image, trs)

    def _start_time(self, run: str, path: Path) -> tuple[float, Omission]:
        sidecar = raw_sidecar(self.settings.subject, run, self.receipt)
        return middle_of_scan(path, sidecar, self.settings.tr, "SPM's outputs don't state it")

    def _roi(self, name: str) -> str:
        return filled_path(self.layout.rois, self.settings.subject, "").format(roi=name)

    def _region_masks(self, like: nib.Nifti1Image, like_path: Path) -> dict[str, Mask]:
        """Unions of masks; a mask that is named must be there, as a union without it is another."""
        layout, receipt = self.layout, self.receipt
        listed = {file.path for file in receipt.files}
        names = list(dict.fromkeys(name for union in layout.regions.values() for name in union))
        masks = {}
        for name in names:
            path = self._roi(name)
            if path not in listed:
                raise UserError(
                    f"{receipt.root}: has no mask {path}; fetch it, or take {name} out of "
                    "layout.regions"
                )
            masks[name] = read_mask(receipt.path(path), like, like_path)
            if not masks[name].any():
                raise UserError(f"{receipt.path(path)}: the mask is empty; fetch it again")
        return {
            region: np.logical_or.reduce([masks[name] for name in union])
            for region, union in layout.regions.items()
        }


def _brain(paths: Sequence[Path], images: Sequence[nib.Nifti1Image]) -> Mask:
    """Voxels that nilearn takes for brain in the first volumes of every run."""
    pairs = zip(paths, images, strict=True)
    means = (nib.Nifti1Image(first_mean(path, image), image.affine) for path, image in pairs)
    return np.asarray(np.logical_and.reduce([epi_mask(mean) for mean in means]))


def _members(own: Mask, mask: Mask, name: str, path: Path) -> npt.NDArray[np.int32]:
    members = np.flatnonzero(own[mask]).astype(np.int32)
    if not len(members):
        raise UserError(f"{path}: no voxel of region {name} varies in every run; look at its masks")
    return members
