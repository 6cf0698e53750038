"""One decoder in many places or at many times, each tested against the largest of all.

Regions, the spheres of a searchlight and the times after an onset are parts of the same samples:
one permutation of the labels goes through all of them, and the largest accuracy of any part under
each permutation is what a part must exceed (Nichols & Holmes 2002, Hum Brain Mapp 15:1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode, labellings
from tristream.decode.decoding_samples import Samples
from tristream.decode.profile_file import Profile
from tristream.errors import UserError
from tristream.space.neighbourhoods import spheres

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


def regions(samples: Samples, voxels: Mapping[str, Ints], decoder: DecoderDesign) -> Profile:
    """Decode from each region.

    Parameters
    ----------
    samples : Samples
    voxels : dict of str to ndarray of int
        Voxels of each region, as `samples.column` numbers them: columns of what was given, some of
        which may have been left out.
    decoder : DecoderDesign
        Its `voxels`, if given, are chosen within each region.

    Raises
    ------
    UserError
        If a region has no voxel with data.
    """
    column = samples.column if len(samples.column) else np.arange(samples.x.shape[1])
    own = [np.flatnonzero(np.isin(column, region)) for region in voxels.values()]
    for name, columns in zip(voxels, own, strict=True):
        if not len(columns):
            raise UserError(f"region {name!r}: it has no voxel with data; leave it out")
    parts = (replace(samples, x=samples.x[:, columns]) for columns in own)
    return _profile(list(voxels), samples, parts, decoder)


def searchlight(
    samples: Samples, position: Floats, radius: float, decoder: DecoderDesign
) -> Profile:
    """Decode from the sphere around each voxel.

    Parameters
    ----------
    samples : Samples
    position : ndarray of shape (voxels, 3)
        In mm.
    radius : float
        In mm; voxels at this distance belong to the sphere.
    decoder : DecoderDesign
        Quick is a ridge classifier without `voxels`.

    Raises
    ------
    UserError
        If positions don't fit the voxels or are not finite, or `radius` is negative.
    """
    if len(position) != samples.x.shape[1]:
        raise UserError(
            f"{len(position)} positions for {samples.x.shape[1]} voxels; those of voxels that were "
            "left out don't belong here: take position[samples.column]"
        )
    if not np.isfinite(position).all():
        raise UserError("position: some are not finite; each voxel needs its place in mm")
    if not radius >= 0:
        raise UserError(f"radius: {radius:g} mm; expected 0 or more")
    return searchlight_in(samples, spheres(position, radius), decoder)


def searchlight_in(samples: Samples, near: Sequence[Ints], decoder: DecoderDesign) -> Profile:
    """Decode from what is near each voxel or vertex.

    Parameters
    ----------
    samples : Samples
    near : sequence of ndarray of int
        Columns of `samples.x` that are near each column, as those along a mesh
        (:func:`tristream.space.neighbourhoods.along_mesh`).
    decoder : DecoderDesign

    Raises
    ------
    UserError
        If there are not as many neighbourhoods as voxels, or one is empty.
    """
    if len(near) != samples.x.shape[1]:
        raise UserError(f"{len(near)} neighbourhoods for {samples.x.shape[1]} voxels")
    if empty := [voxel for voxel, own in enumerate(near) if not len(own)]:
        raise UserError(f"near: nothing is near voxel {empty[0]}; it should be near itself")
    parts = (replace(samples, x=samples.x[:, own]) for own in near)
    return _profile([str(voxel) for voxel in range(len(near))], samples, parts, decoder)


def over_time(
    samples: Samples, windows: Floats, times: Sequence[float], decoder: DecoderDesign
) -> Profile:
    """Decode from the volume at each time after the onset; times before it are a check.

    Parameters
    ----------
    samples : Samples
        One sample a block.
    windows : ndarray of shape (blocks, times, voxels)
        BOLD around the onset of each block of `samples`.
    times : sequence of float
        In seconds after the onset.
    decoder : DecoderDesign

    Raises
    ------
    UserError
        If windows don't fit samples and times, or are not finite.
    """
    expected = (len(samples.x), len(times))
    if windows.ndim != 3 or windows.shape[:2] != expected:
        raise UserError(
            f"windows: has shape {windows.shape}; expected {expected[0]} blocks, {expected[1]} "
            "times, voxels"
        )
    bad = ~np.isfinite(windows).all((0, 1))
    if bad.any():
        raise UserError(f"windows: {bad.sum()} of {bad.size} voxels are not finite; leave them out")
    parts = (replace(samples, x=windows[:, place]) for place in range(len(times)))
    return _profile([f"{time:g} s" for time in times], samples, parts, decoder)


def _profile(
    names: list[str], samples: Samples, parts: Iterable[Samples], decoder: DecoderDesign
) -> Profile:
    """Decode from parts of the same units, all under the same labellings."""
    under = labellings(samples, decoder)
    found, size = [], []
    each = tqdm(parts, total=len(names), mininterval=5, unit="part", disable=None)
    for name, part in zip(names, each, strict=True):
        found.append(decode(part, decoder, name, under))
        size.append(part.x.shape[1])
    accuracy = np.array([one.accuracy for one in found])
    none = np.full(len(names), np.nan)
    out = Profile(
        names, accuracy, none, none, none, np.empty(0), np.array(size), refusal=under.refusal
    )
    if under.refusal:
        return out
    largest = np.max([one.null for one in found], axis=0)
    return replace(
        out,
        chance=np.array([one.null.mean() for one in found]),
        p=np.array([one.p for one in found]),
        p_fwe=np.array([one.voices[0].p_against(largest) for one in found]),
        largest=largest,
    )
