"""What is true of a dataset that was simulated from a preset: ``truth.h5``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.errors import UserError
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "truth"

TEXT = ("region", "streams")  # of a voxel, as strings

Array = npt.NDArray[np.float64]
Latents = tuple[Array, Array]


@dataclass(frozen=True)
class VoxelTruth:
    """What is true of the voxels of one subject.

    Attributes
    ----------
    ijk : ndarray of int, shape (v, 3)
        Places in the image.
    region : ndarray of str, shape (v,)
        Region of the preset.
    streams : ndarray of str, shape (v,)
        Streams that drive the voxel, joined by ``+``; ``none`` for noise alone.
    ceiling_r : ndarray of shape (v,)
        Correlation of the noise-free signal with the averaged test runs; 0 without signal.
    nonlinear_share : ndarray of shape (v,)
        Part of the signal's variance that is not linear in the fitted features; NaN without signal.
    hrf_peak : ndarray of shape (v,)
        Time to peak of the haemodynamic response (s).
    ar_rho : ndarray of shape (v,)
        Autocorrelation of the noise at lag one.
    """

    ijk: npt.NDArray[np.int32]
    region: npt.NDArray[np.str_]
    streams: npt.NDArray[np.str_]
    ceiling_r: Array
    nonlinear_share: Array
    hrf_peak: Array
    ar_rho: Array

    def driven_by(self, *streams: str) -> npt.NDArray[np.bool_]:
        """Voxels driven by exactly these streams."""
        wanted = sorted(streams)
        return np.array([sorted(s.split("+")) == wanted for s in self.streams])


@dataclass(frozen=True)
class Truth:
    """The truth of a simulated dataset; arrays are read when they are asked for.

    Attributes
    ----------
    path : Path
        The file.
    provenance : Provenance
        With the preset in `config`, and how the data were simulated in `methods`.
    subjects : tuple of str
        Labels of the simulated subjects.
    streams : tuple of str
        Streams that drive voxels.
    """

    path: Path
    provenance: Provenance
    subjects: tuple[str, ...]
    streams: tuple[str, ...]

    def latents(self, stream: str) -> dict[str, Latents]:
        """By stimulus, the signals of a stream after their readout, (n, d), and their times (s)."""
        with open_h5(self.path, KIND) as (file, _):
            group = file[f"latents/{stream}"]
            return {name: (group[name]["values"][()], group[name]["times"][()]) for name in group}

    def voxels(self, subject: str, ijk: npt.NDArray[np.int32] | None = None) -> VoxelTruth:
        """What is true of a subject's voxels: all, or those at `ijk`, in that order.

        Raises
        ------
        UserError
            If the subject, or one of the voxels, was not simulated.
        """
        if subject not in self.subjects:
            raise UserError(f"{self.path}: no subject {subject!r}; simulate again")
        with open_h5(self.path, KIND) as (file, _):
            group = file[f"subjects/{subject}"]
            stored = {
                f.name: np.array(read_strings(group, f.name))
                if f.name in TEXT
                else group[f.name][()]
                for f in fields(VoxelTruth)
            }
        if ijk is None:
            return VoxelTruth(**stored)
        place = {tuple(v): i for i, v in enumerate(stored["ijk"].tolist())}
        try:
            index = [place[tuple(v)] for v in ijk.tolist()]
        except KeyError as error:
            raise UserError(
                f"{self.path}: voxel {error} was not simulated; simulate again"
            ) from None
        return VoxelTruth(**{name: values[index] for name, values in stored.items()})


def read_truth(path: Path | str) -> Truth:
    """Open the truth of a dataset that was simulated from a preset."""
    with open_h5(path, KIND) as (file, provenance):
        subjects, streams = tuple(file["subjects"]), tuple(file.get("latents", ()))
    return Truth(Path(path), provenance, subjects, streams)


def write_truth(
    path: Path | str,
    provenance: Provenance,
    latents: Mapping[str, Mapping[str, Latents]],
    voxels: Mapping[str, VoxelTruth],
) -> None:
    """Write the truth of a dataset.

    Parameters
    ----------
    path : Path
        The file.
    provenance : Provenance
        Of kind ``truth``.
    latents : dict of str to dict of str to (values, times)
        Stream, then stimulus, to its signals (n, d) and their times (s).
    voxels : dict of str to VoxelTruth
        By subject.
    """
    with create_h5(path, provenance) as file:
        for stream, stimuli in latents.items():
            for stimulus, (values, times) in stimuli.items():
                group = file.create_group(f"latents/{stream}/{stimulus}")
                group["values"], group["times"] = values.astype(np.float32), times
        subjects = file.create_group("subjects")
        for subject, truth in voxels.items():
            group = subjects.create_group(subject)
            for field in fields(truth):
                values = getattr(truth, field.name)
                if field.name in TEXT:
                    write_strings(group, field.name, values.tolist())
                else:
                    group[field.name] = values
