"""Where in a held-out stimulus the evidence lies, in each regime: Grad-CAM of label and voxel."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tristream.errors import UserError

if TYPE_CHECKING:
    from tristream.encode.regimes import RegimeComparison

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Picture:
    """One held-out stimulus, and where networks of the first seed find what they say of it.

    Attributes
    ----------
    sample : int
        Place among the held-out samples.
    label : str
        What it is.
    voxel : int
        The voxel that the frozen network predicts best.
    stimulus : ndarray of shape (3, size, size), (frames, bands) or (frames, columns)
        First input of the network.
    of_label, of_voxel : dict of str to ndarray
        Regime to the positive part of the weighted maps, scaled up to the stimulus: (size, size),
        (frames, bands) or (frames,).
    """

    sample: int
    label: str
    voxel: int
    stimulus: npt.NDArray[Any]
    of_label: dict[str, Floats]
    of_voxel: dict[str, Floats]


def rightly_named(found: "RegimeComparison") -> npt.NDArray[np.bool_]:
    """Which held-out samples all regimes of the first seed name rightly, (n,)."""
    return np.all([named[0] == found.labels for named in found.named.values()], axis=0)


def picture(found: "RegimeComparison", sample: int) -> Picture:
    """Grad-CAM of one held-out stimulus (Selvaraju et al. 2017).

    Parameters
    ----------
    found : RegimeComparison
    sample : int
        Place among the held-out samples.

    Raises
    ------
    UserError
        If there is no such sample, the network has no convolution, or captum is not installed.
    """
    if not 0 <= sample < len(found.labels):
        raise UserError(f"sample: {sample}; there are {len(found.labels)}, counted from 0")
    one = tuple(values[sample : sample + 1] for values in found.inputs)
    r = np.nan_to_num(found.correlation["frozen"][0], nan=-1.0)
    voxel, label = int(np.argmax(r)), str(found.labels[sample])
    networks = found.networks.items()
    return Picture(
        sample=sample,
        label=label,
        voxel=voxel,
        stimulus=np.asarray(one[0][0]),
        of_label={name: network.grad_cam(one, label=label)[0] for name, network in networks},
        of_voxel={name: network.grad_cam(one, voxel=voxel)[0] for name, network in networks},
    )
