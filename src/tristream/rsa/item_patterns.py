"""From run files and features to distances between the items that one subject met."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tristream.config.rsa import PatternDesign
from tristream.config.settings.rsa import DissimilaritySettings
from tristream.decode.shown_units import ShownUnits, read_targets, read_units
from tristream.errors import UserError
from tristream.phrases import counted
from tristream.rsa.dissimilarity import Dissimilarities, measure
from tristream.rsa.dissimilarity_file import KIND, write_dissimilarities
from tristream.store import Omission, Provenance

SPLITS = {"tested": ("test", "each"), "trained": ("train",), "all": ("test", "each", "train")}
SHOWN = {"tested": "held-out runs", "trained": "training runs", "all": "all runs"}


def fit(
    bold: Sequence[Path],
    samples: Path,
    features: Sequence[Path],
    aligned: Sequence[Path],
    output: Path,
    settings: DissimilaritySettings,
    code: str = "",
) -> Dissimilarities:
    """Measure the distances of one subject and write a file of kind ``dissimilarities``.

    Parameters
    ----------
    bold, samples : paths
        As for :func:`tristream.decode.shown_units.read_units`.
    features, aligned : sequence of Path
        Files of every layer, in one order.
    output : Path
    settings : DissimilaritySettings
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If files don't fit each other, or distances can't be measured.
    """
    design = settings.block
    units = read_units(bold, samples, design.regions, design.delay, design.imagined, "item")
    own = np.flatnonzero(np.isin(units.split, SPLITS[design.items]))
    if not len(own):
        raise UserError(
            f"{samples}: rsa {settings.rsa}: no run has items that are {design.items}; set `items`"
        )
    layers = [read_targets(*paths, units) for paths in zip(features, aligned, strict=True)]
    try:
        found = measure(
            {name: units.x[own][:, voxels] for name, voxels in units.regions.items()},
            {f"{one.space}/{one.layer}": one.values[own] for one in layers},
            [units.item[k] for k in own],
            [units.run[k] for k in own],
            design.distance,
            design.feature_distance,
        )
    except ValueError as error:
        raise UserError(f"{samples}: rsa {settings.rsa}: {error}") from None
    omitted = (*units.omitted, *_omitted(found))
    methods = _methods(settings, units, found)
    provenance = Provenance(KIND, units.simulated, settings.key(), code, omitted, methods)
    write_dissimilarities(output, found, provenance)
    return found


def _omitted(found: Dissimilarities) -> list[Omission]:
    """Layers and regions in which an item has no distance."""
    why = "an item's values are all equal, so that it correlates with nothing"
    return [
        Omission(f"similarity of {name}", why)
        for names, distances in ((found.layers, found.layer), (found.regions, found.region))
        for name, row in zip(names, distances, strict=True)
        if not np.isfinite(row).all()
    ]


def _methods(
    settings: DissimilaritySettings, units: ShownUnits, found: Dissimilarities
) -> tuple[str, ...]:
    design = settings.block
    few, many = found.shown.sum(0).min(), found.shown.sum(0).max()
    often = counted(int(many), "showing") if few == many else f"{few} to {many} showings"
    later = f", taken {units.delay:g} s later" if units.delay else ""
    rows = "trials" if units.trials else "volumes"
    return (
        f"Representational similarity analysis {settings.rsa} [@kriegeskorte2008] compared "
        f"{counted(len(found.items), 'item')} of "
        f"{SHOWN[design.items]} "
        f"in {', '.join(found.regions)}. The pattern of a showing was the mean of its "
        f"{rows}{later}; each item had {often}.",
        _distances(design),
    )


def _distances(design: PatternDesign) -> str:
    patterns = {
        "correlation": "1 less the correlation over voxels of patterns averaged over showings",
        "crossvalidated": "the squared Euclidean distance a voxel, crossvalidated over runs, "
        "without noise normalisation [@walther2016]",
    }[design.distance]
    features = {
        "correlation": "1 less the correlation over units",
        "euclidean": "the Euclidean distance over units",
    }[design.feature_distance]
    return f"Distances between items were {patterns}; in features, {features}."
