"""Write what a derived space has learned, and its feature files."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import torch

from tristream.config.fusion import Concatenation, Fusion, is_fitted
from tristream.config.load import Resolved
from tristream.errors import UserError
from tristream.features.fusion.fusion_methods import Arrays, Rows, layers_of, learn
from tristream.features.fusion.parents import Array, Grid, Parents, open_parents
from tristream.features.fusion.training_rows import TrainingSet, read_training
from tristream.fingerprint import fingerprint
from tristream.store import Provenance, create_h5, open_h5, write_strings

KIND = "fusion"
FEATURES = "features"
MODULE = "tristream.features.fusion.fused_file"
# Options that say what is written or how it is coloured, not what is learned.
NOT_FITTED = {"stream", "variates"}


def fit(
    resolved: Resolved,
    dataset: str,
    space: str,
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
    resolved : Resolved
        The study.
    dataset, space : str
        Dataset id; derived space of the study.
    parents : sequence of Path
        Feature files of the parents.
    inventory, splits : Path
        Tables of the stimuli stage: they say what trains.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance; computed when empty.
    threads : int
        Threads of torch; the number is part of the method.

    Raises
    ------
    UserError
        If there is no such space, the parents don't fit it, or nothing is there to train on.
    """
    torch.set_num_threads(threads)
    block = _block(resolved, space)
    with open_parents(block.parents, parents, space) as opened:
        training = read_training(inventory, splits, space) if is_fitted(block) else None
        rows = _rows(opened, training)
        if training is not None and not len(rows):
            raise UserError(
                f"fusion.{space}: no sample of {', '.join(block.parents)} belongs to training "
                f"stimuli alone; look at {inventory} and {splits}"
            )
        learned = learn(block, rows)
        simulated = opened.simulated or (training is not None and training.simulated)
        provenance = _provenance(resolved, dataset, space, opened, simulated, code, KIND)
        with create_h5(output, provenance) as file:
            _describe(file, space, block)
            file.attrs["training"] = json.dumps(_summary(opened, rows))
            file.attrs["said"] = json.dumps(learned.said)
            for name, array in learned.arrays.items():
                file[f"arrays/{name}"] = array


def fuse(
    resolved: Resolved,
    dataset: str,
    space: str,
    layer: str,
    parents: Sequence[Path],
    fitted: Path,
    output: Path,
    *,
    code: str = "",
    threads: int = 1,
) -> None:
    """Write ``features/D/SPACE/LAYER.h5`` of a derived space: all stimuli, from what was learned.

    Parameters
    ----------
    resolved, dataset, space, parents, code, threads
        As in :func:`fit`.
    layer : str
        One of the space's layers.
    fitted : Path
        What :func:`fit` wrote.
    output : Path
        The file to write.
    """
    torch.set_num_threads(threads)
    block = _block(resolved, space)
    if layer not in block.layers:
        raise UserError(
            f"config.yaml: fusion.{space}: no layer {layer!r}; there is {', '.join(block.layers)}"
        )
    arrays, said, simulated = _learned(fitted, block)
    with open_parents(block.parents, parents, space) as opened:
        provenance = _provenance(
            resolved, dataset, space, opened, simulated or opened.simulated, code, FEATURES
        )
        with create_h5(output, provenance) as file:
            _describe(file, space, block)
            file.attrs["layer"] = layer
            file.attrs["stream"] = block.stream
            file.attrs["extractor"] = f"fusion_{block.method}"
            file.attrs["weights"] = ""
            file.attrs["said"] = said
            if opened.timed:
                width = _write_timed(file, opened, block, arrays, layer)
            else:
                width = _write_items(file, opened, block, arrays, layer)
            names = (
                opened.names()
                if isinstance(block, Concatenation)
                else [f"{layer}_{number:03d}" for number in range(1, width + 1)]
            )
            write_strings(file, "names", names)


def _block(resolved: Resolved, space: str) -> Fusion:
    block = resolved.study.fusion.get(space)
    if block is None:
        known = ", ".join(resolved.study.fusion) or "none"
        raise UserError(f"config.yaml: fusion: there is no space {space!r}; there are {known}")
    return block


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


def _summary(parents: Parents, rows: Rows) -> dict[str, object]:
    names = np.array(parents.stimuli if parents.timed else parents.items())
    used = names[np.unique(rows.stimulus)].tolist() if parents.timed else len(rows)
    return {"samples": len(rows), "stimuli": used}


def _provenance(
    resolved: Resolved,
    dataset: str,
    space: str,
    parents: Parents,
    simulated: bool,
    code: str,
    kind: str,
) -> Provenance:
    block = resolved.study.fusion[space]
    config = {"dataset": dataset, space: block.model_dump(mode="json")}
    omitted = parents.omitted if kind == FEATURES else ()
    return Provenance(kind, simulated, config, code or fingerprint(MODULE), omitted)


def _describe(file: h5py.File, space: str, block: Fusion) -> None:
    file.attrs["space"] = space
    file.attrs["options"] = json.dumps(block.model_dump(mode="json", exclude=NOT_FITTED))


def _learned(path: Path, block: Fusion) -> tuple[Arrays, str, bool]:
    arrays: Arrays = {}
    with open_h5(path, KIND) as (file, said):
        options = block.model_dump(mode="json", exclude=NOT_FITTED)
        if json.loads(file.attrs["options"]) != options:
            raise UserError(f"{path}: was fitted with other options than the study's; fit it again")

        def keep(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                arrays[name] = item[()]

        file["arrays"].visititems(keep)
        return arrays, str(file.attrs["said"]), said.simulated


def _write_timed(
    file: h5py.File, parents: Parents, block: Fusion, arrays: Arrays, layer: str
) -> int:
    """All rows of all films and sounds; returns the number of columns."""
    file.attrs["sampling"] = "timed"
    width = 0
    if not parents.stimuli:
        raise UserError(f"{parents.where}: no stimulus has features in every parent")
    for stimulus in parents.stimuli:
        grid: Grid = parents.grid(stimulus)
        group = file.create_group(f"stimuli/{stimulus}")
        group["times"] = grid.times
        group.attrs["window"] = grid.window
        values = None
        for rows, parts in parents.blocks(grid):
            made = layers_of(block, arrays, parts)[layer]
            if values is None:
                width = made.shape[1]
                values = group.create_dataset("values", (len(grid.times), width), "f4")
            values[rows] = made
    return width


def _write_items(
    file: h5py.File, parents: Parents, block: Fusion, arrays: Arrays, layer: str
) -> int:
    """One row a label or image; returns the number of columns."""
    file.attrs["sampling"] = "item"
    items = parents.items()
    made = layers_of(block, arrays, parents.item_rows(items))[layer]
    write_strings(file, "items", items)
    file["values"] = made.astype(np.float32)
    return int(made.shape[1])
