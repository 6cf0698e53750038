"""The table of labelled clips that a two-stream network is trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tristream.errors import UserError
from tristream.features.spaces.two_stream.network import Shape
from tristream.features.spaces.two_stream.samples import samples

NEEDED = ("path", "label", "group", "split")
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Clips:
    """Samples of labelled clips.

    Attributes
    ----------
    images, flows : ndarray
        As :func:`tristream.features.spaces.two_stream.samples.samples` gives them.
    label : ndarray of int (samples,)
        Index of the class.
    group : ndarray of int (samples,)
        What must not be torn apart: clips of one recording, actor or run.
    clip : ndarray of int (samples,)
        Row of the table.
    test : ndarray of bool (samples,)
        Whether it is held out for testing.
    """

    images: np.ndarray
    flows: np.ndarray
    label: np.ndarray
    group: np.ndarray
    clip: np.ndarray
    test: np.ndarray


def read_clip_table(path: Path) -> pd.DataFrame:
    """Read and check a table of clips.

    Columns: ``path`` (beside the table, or absolute), ``label``, ``group``, ``split`` (``train`` or
    ``test``), and, if only a part of a film is meant, ``start`` and ``stop`` in seconds.

    Raises
    ------
    UserError
        If a column or a file is missing, a split is unknown, a group is in both splits, or the
        training clips have fewer than two labels or groups.
    """
    try:
        table = pd.read_csv(path, sep="\t", dtype={name: str for name in NEEDED})
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read as a table ({error})") from None
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise UserError(f"{path}: has no column {', '.join(missing)}; it needs {', '.join(NEEDED)}")
    if table[list(NEEDED)].isna().to_numpy().any():
        raise UserError(f"{path}: has empty cells; fill {', '.join(NEEDED)} in each row")
    unknown = sorted(set(table["split"]) - set(SPLITS))
    if unknown:
        raise UserError(f"{path}: split {unknown[0]!r}; it is train or test")
    both = set(table.loc[table["split"] == "train", "group"])
    both &= set(table.loc[table["split"] == "test", "group"])
    if both:
        raise UserError(f"{path}: group {min(both)!r} is in train and in test; put it in one")
    train = table[table["split"] == "train"]
    if train["label"].nunique() < 2 or train["group"].nunique() < 2:
        raise UserError(f"{path}: training needs clips of two labels and two groups at least")
    strange = sorted(set(table["label"]) - set(train["label"]))
    if strange:
        raise UserError(f"{path}: label {strange[0]!r} is in no training clip")
    table["path"] = [str(path.parent / name) for name in table["path"]]
    for column, default in (("start", 0.0), ("stop", np.inf)):
        table[column] = table[column].fillna(default) if column in table else default
    return table


def read_clips(table: pd.DataFrame, shape: Shape, each: int) -> Clips:
    """Samples of all clips, evenly spread over each.

    Parameters
    ----------
    table : DataFrame
        As :func:`read_clip_table` gives it.
    shape : Shape
        What the streams see.
    each : int
        Samples a clip, at most.

    Raises
    ------
    UserError
        If a clip is too short for one sample.
    """
    groups = {name: index for index, name in enumerate(sorted(set(table["group"])))}
    images, flows = [], []
    found: list[tuple[int, int, int, bool]] = []
    for clip, row in enumerate(table.to_dict("records")):
        inside = _of_clip(Path(row["path"]), row["start"], row["stop"], shape)
        if not inside:
            raise UserError(
                f"{row['path']}: has no {shape.stack + 1} frames at {shape.fps:g} a second between "
                f"{row['start']} and {row['stop']} s; leave the clip out or take fewer flow fields"
            )
        chosen = np.unique(np.linspace(0, len(inside) - 1, each).round().astype(int))
        images += [inside[i][0] for i in chosen]
        flows += [inside[i][1] for i in chosen]
        what = (shape.classes.index(row["label"]), groups[row["group"]], clip)
        found += [(*what, row["split"] == "test")] * len(chosen)
    columns = np.array(found)
    return Clips(
        np.stack(images),
        np.stack(flows),
        label=columns[:, 0],
        group=columns[:, 1],
        clip=columns[:, 2],
        test=columns[:, 3].astype(bool),
    )


def _of_clip(
    path: Path, start: float, stop: float, shape: Shape
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Samples whose flow lies between two times."""
    half = (shape.stack + 1) / (2 * shape.fps) - 1e-6
    found = []
    for times, images, flows in samples(path, shape):
        for time, image, flow in zip(times, images, flows, strict=True):
            if start <= time - half and time + half <= stop:
                found.append((image, flow))
        if len(times) and times[0] > stop:
            break
    return found
