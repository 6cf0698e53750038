"""Searchlights as brain maps: files beside the figure, and accuracies on the cortex."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure as Drawing

from tristream.config.layouts import FSAVERAGE5 as FSAVERAGE5_SPACE
from tristream.config.layouts import FSLR
from tristream.decode.profile_file import Profile
from tristream.maps import brain_figures
from tristream.maps.map_images import write_cifti, write_gifti, write_nifti
from tristream.maps.surface import FSAVERAGE5, template_of, whole
from tristream.report import report_figures as figures
from tristream.report.elements import Block, Link, Table
from tristream.report.study_results import Results
from tristream.space.meshes import FSLR_VERTICES
from tristream.store import Provenance

FAINT = 0.35
"""Opacity of places that don't pass."""


def files(results: Results, where: str, found: Profile, provenance: Provenance) -> list[Block]:
    """Write accuracies, and where there are p values their −log10, as images; list them.

    Parameters
    ----------
    results : Results
    where : str
        Names of the files below ``figures/``, without what each holds.
    found : Profile
    provenance : Provenance
        Of the file of `found`.
    """
    maps = {"accuracy": (found.accuracy, f"accuracy of the decoder {found.decoder}")}
    if not found.refusal:
        what = f"-log10 of the p, corrected for all {found.over}, of the decoder {found.decoder}"
        maps["logp"] = (-np.log10(found.p_fwe), what)
    rows: list[tuple[object, ...]] = []
    for name, (values, what) in maps.items():
        stem = results.folder / "figures" / f"{where}_{name}"
        for path in _written(stem, values.astype(np.float32), what, found, provenance):
            rows.append((Link(path.name, results.link(path)), what))
    caption = "The same as images, in the space of the BOLD; NaN where no centre is."
    return [Table(caption, ("file", "what"), tuple(rows), folded=True)] if rows else []


def _written(
    stem: Path,
    values: npt.NDArray[np.float32],
    what: str,
    found: Profile,
    provenance: Provenance,
) -> list[Path]:
    """One NIfTI of voxels, a GIfTI a hemisphere of fsaverage5, one CIFTI of fsLR."""
    if (places := found.grayordinates) is None:
        if not all(found.shape):
            return []
        image = np.full(found.shape, np.nan, np.float32)
        image[tuple(found.ijk.T)] = values
        path = stem.with_name(f"{stem.name}.nii.gz")
        write_nifti(path, image, found.affine, what, provenance)
        return [path]
    if FSLR_VERTICES in places.vertices:
        path = stem.with_name(f"{stem.name}.dscalar.nii")
        write_cifti(path, values, found, what, provenance)
        return [path]
    paths = []
    for side, texture in whole(found, values, FSAVERAGE5).items():
        paths.append(stem.with_name(f"{stem.name}_hemi-{side[0].upper()}.shape.gii"))
        write_gifti(paths[-1], texture, what, side, provenance.simulated)
    return paths


def on_cortex(
    results: Results, found: Profile, passed: npt.NDArray[np.bool_]
) -> tuple[Drawing, str]:
    """Accuracies of vertices on inflated hemispheres; faint where they don't pass."""
    places = found.grayordinates
    assert places is not None
    space = FSLR if FSLR_VERTICES in places.vertices else FSAVERAGE5_SPACE
    if (template := template_of(space, results.meshes)) is None:
        drawing = figures.histogram({"neighbourhoods": found.accuracy}, "accuracy", "vertices")
        return drawing, "The meshes that they lie on are not there."
    opacity = np.where(passed | bool(found.refusal), 1.0, FAINT)
    low, high = np.percentile(found.accuracy[places.on_mesh], [1, 99.9])
    paint = brain_figures.scale(float(low), float(max(high, low + 1e-6)), "accuracy")
    rows = whole(found, np.stack([found.accuracy, opacity]), template)
    rgba = {side: brain_figures.faded(paint.rgba(a), o) for side, (a, o) in rows.items()}
    figure = brain_figures.surface("", "inflated", rgba, template)
    words = f"{template.name}, inflated; a value is of the vertex in the middle."
    if not found.refusal:
        words += " Faint: corrected p above .05."
    return brain_figures.finish(figure, paint), words
