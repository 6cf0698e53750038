"""The home of the `network-regimes` file: a network's regimes on held-out runs of one subject."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.encode.regime_pictures import Picture
from tristream.encode.regime_summary import summarise
from tristream.store import Provenance, create_h5, open_h5, read_strings, write_strings

KIND = "network-regimes"
NUMBERS = ("seed", "brain", "label", "best_epoch")
TEXTS = ("regime", "left_out")
NULL = ("mean", "low", "high")
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class NetworkRegimes:
    """What a comparison of regimes found, without the networks.

    Attributes
    ----------
    name, network : str
        Of the block in the study; its kind.
    classes : list of str
        Labels of all samples.
    test : list of str
        Runs that are held out.
    learnt, tested : int
        Samples that were learnt from, the run that ended training included, and held-out ones.
    scores : DataFrame
        As of :class:`tristream.encode.regimes.RegimeComparison`.
    correlation : dict of str to ndarray of shape (seeds, voxels)
        Regime to r of held-out samples.
    column : ndarray of int, shape (voxels,)
        Which of the run files' voxels they are.
    chance : float
        Balanced accuracy, mean over all permutations of the held-out samples' labels.
    null : DataFrame
        From :func:`tristream.networks.label_chance.label_chance`.
    embedding : DataFrame or None
        t-SNE of held-out samples, before training and after each regime.
    pictures : list of Picture
        Grad-CAM of some of them; `voxel` is one of `column`.
    titles : list of str
        What each picture shows, in words.
    """

    name: str
    network: str
    classes: list[str]
    test: list[str]
    learnt: int
    tested: int
    scores: pd.DataFrame
    correlation: dict[str, Floats]
    column: npt.NDArray[np.integer]
    chance: float
    null: pd.DataFrame
    embedding: pd.DataFrame | None
    pictures: list[Picture]
    titles: list[str]

    @property
    def summary(self) -> pd.DataFrame:
        """A row a regime: means over seeds, standard errors, gains on the frozen network."""
        return summarise(self.scores)


def write_regimes(path: Path, found: NetworkRegimes, provenance: Provenance) -> None:
    """Write the file that ``docs/files.md`` calls `network-regimes`."""
    with create_h5(path, provenance) as file:
        for key in ("name", "network", "learnt", "tested", "chance"):
            file.attrs[key] = getattr(found, key)
        for key in ("classes", "test", "titles"):
            write_strings(file, key, getattr(found, key))
        for key in NUMBERS:
            file[f"scores/{key}"] = found.scores[key].to_numpy()
        for key in TEXTS:
            write_strings(file, f"scores/{key}", found.scores[key].astype(str).tolist())
        for regime, values in found.correlation.items():
            file[f"correlation/{regime}"] = values.astype(np.float32)
            file[f"null/{regime}"] = found.null.loc[regime, list(NULL)].to_numpy(float)
        file["column"] = found.column
        if found.embedding is not None:
            write_strings(file, "embedding/label", found.embedding["label"].tolist())
            for key in found.embedding.columns.drop("label"):
                file[f"embedding/{key}"] = found.embedding[key].to_numpy()
        for number, shown in enumerate(found.pictures):
            group = file.create_group(f"pictures/{number}")
            group.attrs.update(sample=shown.sample, label=shown.label, voxel=shown.voxel)
            group["stimulus"] = shown.stimulus.astype(np.float32)
            for what in ("of_label", "of_voxel"):
                for regime, heat in getattr(shown, what).items():
                    group[f"{what}/{regime}"] = heat.astype(np.float32)


def read_regimes(path: Path) -> tuple[NetworkRegimes, Provenance]:
    """Read a `network-regimes` file.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    with open_h5(path, KIND) as (file, provenance):
        scores = pd.DataFrame({key: file[f"scores/{key}"][()] for key in NUMBERS})
        for key in TEXTS:
            scores[key] = read_strings(file, f"scores/{key}")
        regimes = list(dict.fromkeys(scores["regime"]))
        null = {regime: file[f"null/{regime}"][()] for regime in regimes}
        content: dict[str, Any] = {
            **{key: str(file.attrs[key]) for key in ("name", "network")},
            **{key: int(file.attrs[key]) for key in ("learnt", "tested")},
            **{key: read_strings(file, key) for key in ("classes", "test", "titles")},
            "chance": float(file.attrs["chance"]),
            "scores": scores,
            "correlation": {one: file[f"correlation/{one}"][()] for one in regimes},
            "column": file["column"][()],
            "null": pd.DataFrame.from_dict(null, orient="index", columns=list(NULL)).rename_axis(
                "regime"
            ),
            "embedding": _embedding(file, regimes),
            "pictures": [
                _picture(file[f"pictures/{number}"], regimes)
                for number in range(len(file.get("pictures", {})))
            ],
        }
        return NetworkRegimes(**content), provenance


def _embedding(file: Any, regimes: list[str]) -> pd.DataFrame | None:
    if "embedding" not in file:
        return None
    names = [f"{name}_{axis}" for name in ("first", *regimes) for axis in "xy"]
    columns: dict[str, Any] = {"label": read_strings(file, "embedding/label")}
    return pd.DataFrame(columns | {name: file[f"embedding/{name}"][()] for name in names})


def _picture(group: Any, regimes: list[str]) -> Picture:
    return Picture(
        sample=int(group.attrs["sample"]),
        label=str(group.attrs["label"]),
        voxel=int(group.attrs["voxel"]),
        stimulus=group["stimulus"][()],
        of_label={one: group[f"of_label/{one}"][()] for one in regimes},
        of_voxel={one: group[f"of_voxel/{one}"][()] for one in regimes},
    )
