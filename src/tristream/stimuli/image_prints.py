"""Whether one image is a copy of another: by coarse prints of parts, then by fine detail.

The prints (`parts`) are alike for few unrelated images, but not for none: a dark thing on white is
like another. So what they propose is verified. One image is laid over the other, from the place
that the prints propose, by the transform with the highest correlation (Evangelidis & Psarakis 2008,
"Parametric image alignment using enhanced correlation coefficient maximization"; OpenCV's
`findTransformECC`); the score is then the correlation of their detail alone, which two photographs
of one thing do not share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tristream.media.still_images import read_image
from tristream.stimuli.parts import LOWEST_CONTRAST, SIZE, Part, Thumbnails, views

# Correlation of prints from which two images are laid over each other.
PROPOSED = 0.75
# Correlation of detail from which they are copies; measured by benchmarks/leakage.py.
THRESHOLD = 0.9
# Of so many pairs of unrelated images (second) so many were taken for copies there.
FALSE_ALARMS = (0, 499_500)
# Pixels a side of the squares in which detail is compared.
FINE = 128
# Detail lies between these widths of a Gaussian (pixels).
FINEST, COARSEST = 1.5, 6.0
# A copy is not turned or sheared: other elements of its transform are at most so large.
MOST_TURNED = 0.12
# Its sides, in sides of the original, and the share of the square where both can be seen.
SCALES = (0.5, 1.2)
SHARED = 0.5
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
# Pixels of the filter in which they are laid over each other, coarse first: stripes have many
# places where they fit in part.
BLURS = (15, 5)

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class ImagePrint:
    """An image in two sizes, squeezed into squares: `SIZE` and `FINE` pixels a side."""

    coarse: Thumbnails
    fine: Grey


@dataclass(frozen=True)
class Copy:
    """A test image that is a copy of a training image, by their names in the prints."""

    test: str
    train: str
    score: float
    way: str


def image_print(path: Path) -> ImagePrint | None:
    """Print an image; None if it is uniform."""
    grey = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2GRAY)
    coarse, fine = (
        cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8)
        for side in (SIZE, FINE)
    )
    return ImagePrint(coarse, fine) if coarse.std() > LOWEST_CONTRAST else None


def copies(
    test: Mapping[str, ImagePrint], train: Mapping[str, ImagePrint]
) -> tuple[list[Copy], int]:
    """Test images that are copies of training images of other names.

    Returns
    -------
    copies : list of Copy
    compared : int
        Pairs of images; of a pair whose images are on both sides, one order is compared.
    """
    names = list(test), list(train)
    if not names[0] or not names[1]:
        return [], 0
    wanted = np.array([[_once(a, b, test, train) for b in names[1]] for a in names[0]])
    score, which = _proposals(
        *(np.stack([one.coarse for one in side.values()]) for side in (test, train))
    )
    found = []
    for i, j in np.argwhere(wanted & (score >= PROPOSED)):
        way, of_test, of_train = _VIEWS[which[i, j]]
        detail = _same_detail(test[names[0][i]].fine, train[names[1][j]].fine, of_test, of_train)
        if detail >= THRESHOLD:
            found.append(Copy(names[0][i], names[1][j], detail, way))
    return found, int(wanted.sum())


def _once(a: str, b: str, test: Mapping[str, ImagePrint], train: Mapping[str, ImagePrint]) -> bool:
    """Whether a pair is to be compared: not an image with itself, nor a pair a second time."""
    return a != b and (a < b or not (a in train and b in test))


def _proposals(test: Thumbnails, train: Thumbnails) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Highest correlation of prints of each pair, and the number of the view that has it."""
    best = np.full((len(test), len(train)), -1, np.float32)
    which = np.zeros(best.shape, np.intp)
    last: Part | None = None
    for number, (_, of_test, of_train) in enumerate(_VIEWS):
        if of_train != last:
            last, prints = of_train, of_train(train).T
        score = of_test(test) @ prints
        better = score > best
        best[better], which[better] = score[better], number
    return best, which


def _same_detail(test: Grey, train: Grey, of_test: Part, of_train: Part) -> float:
    """Correlation of detail where the two images show the same; 0 if they cannot be laid so."""
    if of_test.mirrored:
        test = np.ascontiguousarray(test[:, ::-1])
    part, whole, place = (test, train, of_test) if of_train.is_whole else (train, test, of_train)
    start = np.array(
        [[place.width, 0, place.left * FINE], [0, place.height, place.top * FINE]], np.float32
    )
    lay: NDArray[Any] = start
    try:
        for blur in BLURS:
            found = cv2.findTransformECC(
                whole, part, lay, cv2.MOTION_AFFINE, _STOP, np.full_like(whole, 255), blur
            )
            lay = np.asarray(found[1])
    except cv2.error:  # did not converge: the images have nothing in common
        return 0.0
    scales, turns = np.diag(lay), np.abs([lay[0, 1], lay[1, 0]])
    if not (SCALES[0] < scales.min() and scales.max() < SCALES[1] and turns.max() < MOST_TURNED):
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(part, lay, (FINE, FINE), flags=flags)
    seen = cv2.warpAffine(np.full_like(part, 255), lay, (FINE, FINE), flags=flags)
    inside = cv2.erode((seen == 255).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    if inside.mean() < SHARED:
        return 0.0
    a, b = _detail(whole)[inside], _detail(np.asarray(laid))[inside]
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def _detail(grey: NDArray[Any]) -> NDArray[np.float32]:
    fine, coarse = (
        cv2.GaussianBlur(grey.astype(np.float32), (0, 0), width) for width in (FINEST, COARSEST)
    )
    return np.asarray(fine - coarse, np.float32)


_VIEWS = views()
