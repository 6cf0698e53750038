"""One decoder in many places or at many times, each tested against the largest of all.

Regions, the spheres of a searchlight and the times after an onset are parts of the same samples:
one permutation of the labels goes through all of them, and the largest accuracy of any part under
each permutation is what a part must exceed (Nichols & Holmes 2002, Hum Brain Mapp 15:1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from tristream.config.decoders import DecoderDesign
from tristream.decode.decoding import decode
from tristream.decode.decoding_samples import Samples
from tristream.errors import UserError

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Profile:
    """Accuracies of the parts.

    Attributes
    ----------
    names : list of str
    accuracy, chance, p, p_fwe : ndarray of shape (parts,)
        Share of right predictions, the mean of its null, its p, and its p corrected for all parts
        by the largest accuracy; NaN without permutations.
    refusal : str
        Why there is no p; empty if there is.
    """

    names: list[str]
    accuracy: Floats
    chance: Floats
    p: Floats
    p_fwe: Floats
    refusal: str


def regions(samples: Samples, voxels: Mapping[str, Ints], decoder: DecoderDesign) -> Profile:
    """Decode from each region.

    Parameters
    ----------
    samples : Samples
    voxels : dict of str to ndarray of int
        Columns of `samples.x` of each region.
    decoder : DecoderDesign
        Its `voxels`, if given, are chosen within each region.

    Raises
    ------
    UserError
        If a region has no voxel.
    """
    for name, own in voxels.items():
        if not len(own):
            raise UserError(f"region {name!r}: it has no voxel with data; leave it out")
    parts = (replace(samples, x=samples.x[:, own]) for own in voxels.values())
    return _profile(list(voxels), parts, decoder)


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
    """
    if len(position) != samples.x.shape[1]:
        raise UserError(f"{len(position)} positions for {samples.x.shape[1]} voxels")
    spheres = cKDTree(position).query_ball_point(position, radius)
    parts = (replace(samples, x=samples.x[:, sorted(own)]) for own in spheres)
    return _profile([str(voxel) for voxel in range(len(position))], parts, decoder)


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
    """
    if windows.shape[:2] != (len(samples.x), len(times)):
        raise UserError(
            f"windows: {windows.shape[0]} blocks and {windows.shape[1]} times for "
            f"{len(samples.x)} samples and {len(times)} times"
        )
    parts = (replace(samples, x=windows[:, place]) for place in range(len(times)))
    return _profile([f"{time:g} s" for time in times], parts, decoder)


def _profile(names: list[str], parts: Iterable[Samples], decoder: DecoderDesign) -> Profile:
    found = [decode(part, decoder, name) for name, part in zip(names, parts, strict=True)]
    accuracy = np.array([one.accuracy for one in found])
    if found[0].refusal:
        none = np.full(len(names), np.nan)
        return Profile(names, accuracy, none, none, none, found[0].refusal)
    largest = np.max([one.null for one in found], axis=0)
    return Profile(
        names=names,
        accuracy=accuracy,
        chance=np.array([one.null.mean() for one in found]),
        p=np.array([one.p for one in found]),
        p_fwe=np.array([one.voices[0].p_against(largest) for one in found]),
        refusal="",
    )
