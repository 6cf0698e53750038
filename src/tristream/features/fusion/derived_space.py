"""Spaces made from others: learn from the training stimuli, then make features of all stimuli."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from tristream.config.fusion import Concatenation, Fusion, Paired, is_fitted
from tristream.config.settings.fusion import FusionSettings
from tristream.errors import UserError
from tristream.features.core.cost import Meter
from tristream.features.core.feature_file import About, FeatureWriter, create_features
from tristream.features.fusion.fused_file import Arrays, Fit, read_fit, write_fit
from tristream.features.fusion.fusion_methods import Rows, layers_of, learn, sentence
from tristream.features.fusion.parents import Array, Parents, open_parents
from tristream.features.fusion.training_rows import TrainingSet, read_training
from tristream.fingerprint import fingerprint

MODULE = "tristream.features.fusion.derived_space"


def fit(
    settings: FusionSettings,
    parents: Sequence[Path],
    inventory: Path,
    splits: Path,
    output: Path,
    *,
    code: str = "",
    threads: int = 1,
) -> None:
    """Write ``fusion/D/SPACE.h5``: what a derived space learns from the training stimuli.

    Parameters
    ----------
    settings : FusionSettings
        The derived space.
    parents : sequence of Path
        Feature files of the parents.
    inventory, splits : Path
        Tables of the stimuli stage: they name what trains.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance; computed when empty.
    threads : int
        Threads of torch; the number is part of the method.

    Raises
    ------
    UserError
        If the parents don't fit the space, or nothing is there to train on.
    """
    torch.set_num_threads(threads)
    block, space = settings.block, settings.space
    with open_parents(block.parents, parents, space) as opened:
        training = read_training(inventory, splits, space) if is_fitted(block) else None
        rows = _rows(opened, training)
        if training is not None and not len(rows):
            raise UserError(
                f"fusion.{space}: no sample of {', '.join(block.parents)} belongs to training "
                f"stimuli alone; look at {inventory} and {splits}"
            )
        learned = learn(block, rows)
        found = Fit(
            space=space,
            method=settings.method,
            arrays=learned.arrays,
            samples=len(rows),
            stimuli=_stimuli(opened, rows),
            quality=learned.quality,
            simulated=opened.simulated or (training is not None and training.simulated),
        )
    methods = [f"Feature space {space}: {sentence(block)}{_fitted(block, found)}."]
    write_fit(output, found, settings.key(), code or fingerprint(MODULE), methods)


def fuse(
    settings: FusionSettings,
    parents: Sequence[Path],
    fitted: Path,
    output: Path,
    *,
    code: str = "",
    threads: int = 1,
) -> None:
    """Write a layer of a derived space: all stimuli, from what was learned.

    Parameters
    ----------
    settings, parents, code, threads
        As in :func:`fit`.
    fitted : Path
        What :func:`fit` wrote.
    output : Path
        The file to write, ``features/D/SPACE/LAYER.h5``: its name is the layer's.
    """
    meter = Meter()
    torch.set_num_threads(threads)
    block, space, layer = settings.block, settings.space, output.stem
    known = Paired.all_layers() if isinstance(block, Paired) else block.layers
    if layer not in known:
        raise UserError(f"fusion.{space}: no layer {layer!r}; there is {', '.join(known)}")
    learned = read_fit(fitted, settings.method)
    with open_parents(block.parents, parents, space) as opened:
        width = _width(block, learned.arrays, layer, opened)
        about = About(
            space=space,
            layer=layer,
            extractor=f"fusion_{block.method}",
            sampling="timed" if opened.timed else "item",
            options=settings.method,
            fit={"samples": learned.samples, **learned.quality},
        )
        columns = f"{width:,} column{'s' * (width != 1)}"
        with create_features(
            output,
            about,
            simulated=learned.simulated or opened.simulated,
            config=settings.key(),
            code=code or fingerprint(MODULE),
            omitted=opened.omitted,
            methods=[f"Layer {layer} of {space}, made from what was fitted, has {columns}."],
        ) as file:
            if opened.timed:
                _write_timed(file, opened, block, learned.arrays, layer)
            else:
                items = opened.items()
                made = layers_of(block, learned.arrays, opened.item_rows(items))[layer]
                file.items(items, iter([made]))
            file.names(
                opened.names()
                if isinstance(block, Concatenation)
                else [f"{layer}_{number:03d}" for number in range(1, width + 1)]
            )
            file.cost(meter.cost([layer]))


def _fitted(block: Fusion, fit: Fit) -> str:
    if not is_fitted(block):
        return "; nothing of it was fitted"
    return f"; it was fitted on training stimuli only ({fit.samples:,} samples)"


def _rows(parents: Parents, training: TrainingSet | None) -> Rows:
    """The rows that may be fitted; all of them if nothing is."""
    if not parents.timed:
        items = parents.items()
        wanted = np.ones(len(items), bool) if training is None else training.item_rows(items)
        chosen = [item for item, is_wanted in zip(items, wanted, strict=True) if is_wanted]
        none = np.full(len(chosen), np.nan)
        numbers = np.arange(len(chosen))
        return Rows(lambda: iter([parents.item_rows(chosen)]), none, numbers, 0.0, parents.where)
    grids = [parents.grid(stimulus) for stimulus in parents.stimuli]
    masks = [
        np.ones(len(g.times), bool)
        if training is None
        else training.rows(g.stimulus, g.times, g.reach)
        for g in grids
    ]

    def blocks() -> Iterator[list[Array]]:
        for grid, mask in zip(grids, masks, strict=True):
            for _, parts in parents.blocks(grid, mask):
                yield parts

    times = [grid.times[mask] for grid, mask in zip(grids, masks, strict=True)]
    numbers = np.repeat(np.arange(len(grids)), [len(t) for t in times])
    reach = max((grid.reach for grid in grids), default=0.0)
    return Rows(blocks, np.concatenate([np.zeros(0), *times]), numbers, reach, parents.where)


def _stimuli(parents: Parents, rows: Rows) -> list[str]:
    """Films and sounds that have training rows; none for labels and images."""
    return [parents.stimuli[i] for i in np.unique(rows.stimulus)] if parents.timed else []


def _width(block: Fusion, arrays: Arrays, layer: str, parents: Parents) -> int:
    """Number of columns: those of what is made of one row."""
    row = [np.zeros((1, width)) for width in parents.widths()]
    return int(layers_of(block, arrays, row)[layer].shape[1])


def _write_timed(
    file: FeatureWriter, parents: Parents, block: Fusion, arrays: Arrays, layer: str
) -> None:
    """All rows of all films and sounds."""
    if not parents.stimuli:
        raise UserError(f"{parents.where}: no stimulus has features in every parent")
    for stimulus in parents.stimuli:
        grid = parents.grid(stimulus)
        made = (layers_of(block, arrays, parts)[layer] for _, parts in parents.blocks(grid))
        file.stimulus(stimulus, grid.times, grid.window, made)
