"""The home of map images: NIfTI, GIfTI and CIFTI files; the same values give the same bytes."""

import gzip
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import numpy.typing as npt

from tristream.maps.style import SIMULATED, titled
from tristream.maps.surface import Hemisphere, Places
from tristream.space.grayordinates import to_axis
from tristream.store import Provenance, atomic_path, write_json

KIND = "map"


def write_nifti(
    path: Path,
    values: npt.NDArray,
    affine: npt.NDArray,
    what: str,
    provenance: Provenance,
    labels: Mapping[int, str] | None = None,
) -> None:
    """Write a volume and the JSON beside it.

    Parameters
    ----------
    path : Path
        Ends in ``.nii.gz``.
    values : (x, y, z)
        float32, or integers with `labels`.
    affine : (4, 4)
        Voxel to mm.
    what : str
        One line: what the values are.
    provenance : Provenance
        Goes into the JSON; the header's description says when the BOLD is simulated.
    labels : mapping, optional
        Meaning of each integer.
    """
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"{SIMULATED if provenance.simulated else 'tristream'}: {what}"[
        :79
    ].encode("ascii", "replace")
    _write(path, gzip.compress(image.to_bytes(), mtime=0))
    content: dict[str, Any] = {"SpatialReference": "orig"}
    if labels is not None:
        content["LabelMap"] = {str(number): name for number, name in labels.items()}
    _describe(str(path).removesuffix(".nii.gz"), what, provenance, **content)


def write_gifti(
    path: Path, values: npt.NDArray, what: str, hemisphere: Hemisphere, simulated: bool
) -> None:
    """Write one value a vertex of fsaverage5."""
    structure = f"Cortex{hemisphere.capitalize()}"
    meta = nib.gifti.GiftiMetaData(
        AnatomicalStructurePrimary=structure, Description=what, Simulated=str(simulated).lower()
    )
    is_label = np.issubdtype(values.dtype, np.integer)
    array = nib.gifti.GiftiDataArray(
        values.astype(np.int32 if is_label else np.float32),
        intent="NIFTI_INTENT_LABEL" if is_label else "NIFTI_INTENT_SHAPE",
        meta=nib.gifti.GiftiMetaData(Name=what),
    )
    _write(path, nib.gifti.GiftiImage(meta=meta, darrays=[array]).to_bytes())


def write_cifti(
    path: Path,
    values: npt.NDArray,
    places: Places,
    what: str,
    provenance: Provenance,
    labels: Mapping[int, str] | None = None,
) -> None:
    """Write one value a grayordinate that was analysed, and the JSON beside it.

    Parameters
    ----------
    path : Path
        Ends in ``.dscalar.nii``, with `labels` in ``.dlabel.nii``.
    values : (n,)
        float32, or integers with `labels`.
    places : Places
        Where they lie.
    what : str
        One line: what the values are.
    provenance : Provenance
        Goes into the JSON; the metadata of the file say when the BOLD is simulated.
    labels : mapping, optional
        Meaning of each integer.
    """
    name = titled(what, provenance.simulated)
    axis: nib.cifti2.Axis = nib.cifti2.ScalarAxis([name])
    if labels is not None:
        colours = [(0, 0, 0, 0), *plt.get_cmap("tab10")(np.arange(len(labels) - 1) % 10)]
        table = {n: (label, tuple(colours[n])) for n, label in labels.items()}
        axis = nib.cifti2.LabelAxis([name], [table])
    assert places.grayordinates is not None
    models = to_axis(places.grayordinates, places.ijk, places.affine, places.shape)
    header = nib.Cifti2Header.from_axes((axis, models))
    about = {"Description": what, "Simulated": str(provenance.simulated).lower()}
    header.matrix.metadata = nib.cifti2.Cifti2MetaData(about)
    image = nib.Cifti2Image(values[None].astype(np.float32), header)
    image.update_headers()
    _write(path, image.to_bytes())
    stem = str(path).removesuffix(".nii").removesuffix(".dscalar").removesuffix(".dlabel")
    _describe(stem, what, provenance)


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _describe(stem: str, what: str, provenance: Provenance, **content: Any) -> None:
    """The JSON beside an image."""
    about = {"Description": what, "Simulated": provenance.simulated, **content}
    write_json(Path(f"{stem}.json"), about, replace(provenance, kind=KIND, methods=()))
