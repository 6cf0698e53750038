"""The windows of a corpus as a network hears them, on disk, and their batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, SubsetRandomSampler
from tqdm import tqdm

from tristream.genre.corpus import Track
from tristream.genre.description import Shape
from tristream.genre.networks import NETWORKS
from tristream.genre.sound_inputs import INPUTS, RATE, windows_of
from tristream.media.sounds import read_sound


@dataclass(frozen=True)
class Windows:
    """All windows of some tracks.

    Attributes
    ----------
    values : ndarray of float32, (windows, frames, columns)
        Mapped from a file.
    track : ndarray of int, (windows,)
        Number of the track.
    label : ndarray of int, (windows,)
    """

    values: np.ndarray
    track: np.ndarray
    label: np.ndarray

    def of(self, tracks: np.ndarray) -> np.ndarray:
        """Indices of the windows of some tracks."""
        return np.flatnonzero(np.isin(self.track, tracks))


def cut_windows(
    tracks: Sequence[Track],
    labels: np.ndarray,
    shape: Shape,
    step: float,
    scratch: Path,
    workers: int = 0,
    progress: bool = True,
) -> Windows:
    """Compute the windows of all tracks into a file, from which they are mapped.

    Parameters
    ----------
    tracks : sequence of Track
    labels : ndarray of int, (tracks,)
    shape : Shape
        Of the network.
    step : float
        Seconds from one window of a track to the next.
    scratch : Path
        File to write, of float32.
    workers : int
        Processes that compute beside this one; 0: this one does.
    progress : bool
        Whether a bar is drawn.

    Raises
    ------
    UserError
        If a sound can't be decoded.
    """
    columns = INPUTS[NETWORKS[shape.network].inputs][1]
    loader = DataLoader(_Sounds(tracks, shape, step), batch_size=None, num_workers=workers)
    counts = []
    with scratch.open("wb") as file:
        for values in tqdm(loader, desc="windows", mininterval=5, disable=not progress):
            file.write(np.ascontiguousarray(values, np.float32).tobytes())
            counts.append(len(values))
    track = np.repeat(np.arange(len(tracks)), counts)
    size = (len(track), shape.frames, columns)
    return Windows(np.memmap(scratch, np.float32, "r", shape=size), track, labels[track])


def sound_windows(sound: np.ndarray, shape: Shape, step: float) -> np.ndarray:
    """What a network hears of a sound at 22,050 Hz: (windows, frames, columns)."""
    function, _ = INPUTS[NETWORKS[shape.network].inputs]
    return np.stack([function(window) for window in windows_of(sound, shape.frames, step)])


class _Sounds(Dataset):
    def __init__(self, tracks: Sequence[Track], shape: Shape, step: float) -> None:
        self.paths = [track.path for track in tracks]
        self.shape, self.step = shape, step

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return sound_windows(read_sound(self.paths[index], RATE), self.shape, self.step)


class _Rows(Dataset):
    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows.label)

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch at once: sorted, the disk is read forwards."""
        order = np.sort(rows)
        values = np.array(self.windows.values[order])
        return torch.from_numpy(values), torch.from_numpy(self.windows.label[order])


class Batches:
    """Batches of some windows, read ahead by other processes while the network is at work.

    The order of an epoch depends on `seed` and the epoch alone, not on the number of workers or on
    the epochs before it.
    """

    def __init__(
        self, windows: Windows, rows: np.ndarray, size: int, seed: int, workers: int, pinned: bool
    ) -> None:
        self.generator = torch.Generator()
        self.seed = seed
        sampler = BatchSampler(
            SubsetRandomSampler(rows.tolist(), generator=self.generator), size, drop_last=False
        )
        self.loader = DataLoader(
            _Rows(windows),
            sampler=sampler,
            batch_size=None,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            pin_memory=pinned,
        )

    def of(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The batches of an epoch: (n, frames, columns) and labels (n,)."""
        self.generator.manual_seed(self.seed * 100_003 + epoch)
        return iter(self.loader)
