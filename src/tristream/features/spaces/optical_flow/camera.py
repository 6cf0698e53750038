"""Motion of the camera, told from motion in the scene."""

from dataclasses import dataclass

import numpy as np

from tristream.features.core.flow_measures import Motion

COLUMNS = ("right", "down", "expansion", "rotation", "others")
# A point moves with the camera if it ends this near to where the camera takes it, picture heights.
TOLERANCE = 0.005
# Every so many pixels, in both directions, are asked.
STRIDE = 4
# With a smaller share of the picture behind it, or more zoom between two frames, a fit is none: the
# film was cut, or nothing moves together.
LEAST = 0.1
ZOOM = 1.5


@dataclass(frozen=True)
class Camera:
    """What the picture as a whole does between two frames.

    Attributes
    ----------
    values : ndarray (5,)
        ``right``, ``down``: velocity of the picture's middle, picture heights per second;
        ``expansion`` (divergence) and ``rotation`` (curl, clockwise on screen) per second;
        ``others``: share of the picture that doesn't move so.
    rest : Motion
        What is left of each point's motion without the camera's.
    """

    values: np.ndarray
    rest: Motion


def camera_motion(motion: Motion, fps: float) -> Camera:
    """Fit a shift, zoom and turn of the whole picture that most of its points follow.

    A similarity transform by random sample consensus (Fischler and Bolles 1981, in OpenCV, with
    its fixed seed), refined on all points that agree. Where no plausible transform finds a tenth
    of the picture to follow it, the median velocity counts as the camera's.

    Parameters
    ----------
    motion : Motion
        Velocities between two frames.
    fps : float
        Frames per second.
    """
    import cv2

    here = motion.positions
    asked = here[::STRIDE, ::STRIDE].reshape(-1, 2)
    moved = asked + motion.velocity[::STRIDE, ::STRIDE].reshape(-1, 2) / fps
    fitted, followers = cv2.estimateAffinePartial2D(
        asked.astype(np.float32),
        moved.astype(np.float32),
        method=cv2.RANSAC,
        ransacReprojThreshold=TOLERANCE,
    )
    if fitted is None or np.mean(followers) < LEAST or not _plausible(fitted):
        fitted = np.column_stack([np.eye(2), np.median(moved - asked, axis=0)])
        followers = np.linalg.norm(moved - asked - fitted[:, 2], axis=1) <= TOLERANCE
    share = float(np.mean(followers))
    turn = complex(fitted[0, 0], fitted[1, 0])
    growth = 2 * np.log(turn) * fps
    values = np.array([*(fitted[:, 2] * fps), growth.real, growth.imag, 1 - share])
    velocity = (here @ fitted[:, :2].T + fitted[:, 2] - here) * fps
    return Camera(values, Motion(motion.velocity - velocity, motion.pixel))


def _plausible(fitted: np.ndarray) -> bool:
    return bool(1 / ZOOM < np.hypot(fitted[0, 0], fitted[1, 0]) < ZOOM)
