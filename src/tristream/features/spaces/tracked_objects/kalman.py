"""Where a box will be next: a constant-velocity Kalman filter, OpenCV's, for one object."""

from dataclasses import dataclass

import cv2
import numpy as np

POSITION_ERROR = 0.06
"""Standard deviation of a detected box's centre and sides, in heights of the box."""
ACCELERATION = 0.4
"""White acceleration noise of the centre: heights/s after one second."""
GROWTH = 0.2
"""The same for the sides."""
FIRST_VELOCITY = 1.5
"""Standard deviation of the velocity before it is known, heights/s."""
FIRST_GROWTH = 0.3
SIZE = 4


@dataclass(frozen=True)
class Expected:
    """Where the next detection of a track is expected.

    Attributes
    ----------
    mean : ndarray (4,)
        Centre x, centre y, width, height in pixels.
    covariance : ndarray (4, 4)
        Of the detection: of the prediction and the detector's error together.
    height : float
        Height of the box, the unit of the errors.
    """

    mean: np.ndarray
    covariance: np.ndarray
    height: float


class BoxFilter:
    """Centre, width and height of a box, and their velocities.

    All errors scale with the height of the box: near things move more pixels. Between frames
    velocities change by white noise, whatever the frame rate (van Loan's discretisation).

    Parameters
    ----------
    box : ndarray (4,)
        First detection: centre x, centre y, width, height in pixels.
    step : float
        Seconds between frames.
    """

    def __init__(self, box: np.ndarray, step: float) -> None:
        self._step = step
        self._filter = cv2.KalmanFilter(2 * SIZE, SIZE, 0, cv2.CV_64F)
        identity, nothing = np.eye(SIZE), np.zeros((SIZE, SIZE))
        self._filter.transitionMatrix = np.block([[identity, step * identity], [nothing, identity]])
        self._filter.measurementMatrix = np.hstack([identity, nothing])
        self._filter.statePost = np.concatenate([box, np.zeros(SIZE)])[:, None]
        start = [POSITION_ERROR] * SIZE + [FIRST_VELOCITY] * 2 + [FIRST_GROWTH] * 2
        self._filter.errorCovPost = np.diag((np.array(start) * self._height) ** 2)

    @property
    def _height(self) -> float:
        return max(float(self._filter.statePost[3, 0]), 1.0)

    @property
    def box(self) -> np.ndarray:
        """Estimated centre x, centre y, width, height (4,)."""
        return np.maximum(self._filter.statePost[:SIZE, 0], [-np.inf, -np.inf, 1.0, 1.0])

    @property
    def velocity(self) -> np.ndarray:
        """Estimated change of each of these per second (4,)."""
        return self._filter.statePost[SIZE:, 0].copy()

    def predict(self) -> Expected:
        """Go one frame on."""
        height = self._height
        noise = (np.array([ACCELERATION] * 2 + [GROWTH] * 2) * height) ** 2
        step = self._step
        self._filter.processNoiseCov = np.block(
            [
                [np.diag(noise * step**3 / 3), np.diag(noise * step**2 / 2)],
                [np.diag(noise * step**2 / 2), np.diag(noise * step)],
            ]
        )
        self._filter.measurementNoiseCov = np.eye(SIZE) * (POSITION_ERROR * height) ** 2
        mean = self._filter.predict()[:SIZE, 0].copy()
        covariance = self._filter.errorCovPre[:SIZE, :SIZE] + self._filter.measurementNoiseCov
        return Expected(mean, covariance, height)

    def update(self, box: np.ndarray) -> None:
        """Take the detection (4,) of this frame into account; after :meth:`predict`."""
        self._filter.correct(np.asarray(box, np.float64)[:, None])
