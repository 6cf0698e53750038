"""What a flow field says of each cell of the picture.

All measures are in picture heights and seconds, so that they depend neither on the sampling of
the film in space nor on that in time.
"""

from dataclasses import dataclass

import numpy as np

MEASURES = ("speed", "right", "down", "expansion", "rotation")
# Directions on screen in degrees: 0 is rightwards, 90 upwards, as for motion energy.
DIRECTIONS = tuple(range(0, 360, 45))
# Edges of the bands of speed, picture heights per second.
SPEEDS = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True)
class Motion:
    """Velocities of a picture's points.

    Attributes
    ----------
    velocity : ndarray (height, width, 2)
        Rightwards and downwards, picture heights per second.
    pixel : ndarray (2,)
        Width and height of a pixel in picture heights.
    """

    velocity: np.ndarray
    pixel: np.ndarray

    @property
    def positions(self) -> np.ndarray:
        """Places of the pixels' centres, (height, width, 2), from the picture's middle."""
        height, width = self.velocity.shape[:2]
        x, y = np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2
        return np.stack(np.meshgrid(x, y), axis=2) * self.pixel

    def means(self, grid: tuple[int, int]) -> np.ndarray:
        """Means of :data:`MEASURES` over the cells, (measures, rows, columns)."""
        right, down = self.velocity[..., 0], self.velocity[..., 1]
        right_by_y, right_by_x = np.gradient(right, self.pixel[1], self.pixel[0])
        down_by_y, down_by_x = np.gradient(down, self.pixel[1], self.pixel[0])
        expansion, rotation = right_by_x + down_by_y, down_by_x - right_by_y
        maps = np.stack([np.hypot(right, down), right, down, expansion, rotation])
        return cell_means(maps, grid)

    def directions(self, grid: tuple[int, int]) -> np.ndarray:
        """Histogram of directions weighted by speed, (directions, rows, columns).

        A velocity is shared between the two nearest of :data:`DIRECTIONS` by its angle; means over
        the cell. The sum over directions is the cell's mean speed. (Histogram of oriented flow,
        Dalal et al. 2006.)
        """
        right, up = self.velocity[..., 0], -self.velocity[..., 1]
        count = len(DIRECTIONS)
        angle = np.arctan2(up, right) / (2 * np.pi) * count
        speed = np.hypot(right, up)
        distance = np.abs((angle - np.arange(count)[:, None, None] + count / 2) % count - count / 2)
        return cell_means(np.maximum(1 - distance, 0) * speed, grid)

    def speeds(self, grid: tuple[int, int]) -> np.ndarray:
        """Share of each cell whose speed lies between two of :data:`SPEEDS`, from 0 to any."""
        speed = np.hypot(self.velocity[..., 0], self.velocity[..., 1])
        band = np.searchsorted(SPEEDS, speed, side="right")
        return cell_means((band == np.arange(len(SPEEDS) + 1)[:, None, None]) * 1.0, grid)


def cell_means(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Means over the cells of a grid, (maps, height, width) -> (maps, rows, columns)."""
    rows, columns = grid
    top = np.linspace(0, maps.shape[1], rows, endpoint=False).astype(int)
    left = np.linspace(0, maps.shape[2], columns, endpoint=False).astype(int)
    sums = np.add.reduceat(np.add.reduceat(maps, top, axis=1), left, axis=2)
    heights = np.diff(np.append(top, maps.shape[1]))
    widths = np.diff(np.append(left, maps.shape[2]))
    return np.asarray(sums / (heights[:, None] * widths))


def cell_names(measures: tuple[str, ...], grid: tuple[int, int]) -> list[str]:
    """Names of the columns of measures of cells: ``MEASURE_ROW_COLUMN``, counted from 1."""
    rows, columns = grid
    cells = [f"{row + 1}_{column + 1}" for row in range(rows) for column in range(columns)]
    return [f"{measure}_{cell}" for measure in measures for cell in cells]


def direction_names() -> tuple[str, ...]:
    """Names of the directions: ``dir0``, ``dir45`` …"""
    return tuple(f"dir{direction}" for direction in DIRECTIONS)


def speed_names() -> tuple[str, ...]:
    """Names of the bands of speed by their lower edges: ``speed0``, ``speed0.025`` …"""
    return tuple(f"speed{edge:g}" for edge in (0.0, *SPEEDS))
