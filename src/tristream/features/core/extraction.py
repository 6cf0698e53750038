"""Write one layer of a feature space; one pass of the stimuli serves all layers of the space."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tristream.config.load import Resolved
from tristream.errors import UserError
from tristream.features.core.assemble import Layer, assemble
from tristream.features.core.checked_space import check
from tristream.features.core.chunks import ChunkFolder, locked
from tristream.features.core.feature_file import Sampling
from tristream.features.core.registry import Block
from tristream.features.core.resources import (
    Medium,
    Weights,
    content_hash,
    find_media,
    find_weights,
)
from tristream.fetch.receipt import Receipt
from tristream.fingerprint import fingerprint
from tristream.media.containers import media_info
from tristream.simulate.truth_file import read_truth
from tristream.stimuli.tables import read_inventory

# Numbers that are held before they are stored, for extractors that give small chunks.
JOINED = 1_000_000


@dataclass(frozen=True)
class Inputs:
    """The files that a job gets; which of them depends on what the extractor reads.

    Attributes
    ----------
    receipt : Path, optional
        Receipt of the stimuli (films, sounds).
    inventory : Path, optional
        The dataset's inventory (labels).
    weights : Path, optional
        Receipt of pretrained weights.
    truth : Path, optional
        The simulator's ``truth.h5``.
    """

    receipt: Path | None = None
    inventory: Path | None = None
    weights: Path | None = None
    truth: Path | None = None


def extract(
    resolved: Resolved,
    dataset: str,
    space: str,
    layer: str,
    output: Path,
    inputs: Inputs,
    *,
    code: str = "",
    threads: int = 1,
) -> None:
    """Write ``features/D/SPACE/LAYER.h5``.

    Parameters
    ----------
    resolved : Resolved
        The study.
    dataset, space, layer : str
        Dataset id, feature space of the study, one of its layers.
    output : Path
        The file to write; final files of other layers are looked for beside it.
    inputs : Inputs
        Receipts and tables that the extractor needs.
    code : str
        Fingerprint for the provenance; computed when empty.
    threads : int
        Threads of torch and OpenCV. The number is part of the method: other numbers change the
        last digits.

    Raises
    ------
    UserError
        If the space, layer, an input or a stimulus is not usable.
    """
    block = resolved.study.features.get(space)
    if block is None:
        known = ", ".join(resolved.study.features) or "none"
        raise UserError(f"config.yaml: features: there is no space {space!r}; there are {known}")
    checked = check(space, block, data=resolved.study.data)
    if layer not in checked.layers:
        raise UserError(
            f"config.yaml: features.{space}.layers: {layer!r} is not among "
            f"{', '.join(checked.layers)}"
        )
    job = Layer(
        space_name=space,
        stream=block.stream,
        space=checked,
        layer=layer,
        output=output,
        config={
            "dataset": dataset,
            space: block.model_dump(mode="json", exclude={"layers", "stream"}),
        },
        code=code or fingerprint(checked.extractor.module),
    )
    if checked.extractor.media == "label":
        _write_labels(job, inputs)
    elif checked.extractor.media == "truth":
        _write_truth(job, inputs)
    else:
        _write_media(job, inputs, resolved, dataset, threads)


def _write_media(
    job: Layer, inputs: Inputs, resolved: Resolved, dataset: str, threads: int
) -> None:
    receipt = Receipt.read(_needed(inputs.receipt, "--receipt", job))
    weights = find_weights(job.space, inputs.weights)
    media, omitted = find_media(job.extractor, resolved, dataset, receipt)
    content = content_hash(job.space, media, weights)
    # Whatever is missing is an error here, never a download.
    os.environ["HF_HUB_OFFLINE"] = "1"
    with locked(Path(resolved.study.results) / ".chunks" / content) as folder:
        layers = _missing(job, folder, media)
        if layers:
            _compute(job, layers, media, folder, weights, _device(resolved, threads))
        sampling: Sampling = "item" if any(medium.items for medium in media) else "timed"
        with job.create(sampling, receipt.simulated, weights.files, omitted) as file:
            assemble(file, job, media, folder)
        folder.remove(job.layer)


def _needed(path: Path | None, option: str, job: Layer) -> Path:
    if path is None:
        raise UserError(f"features extract: {job.extractor.name} needs {option}")
    return path


def _missing(job: Layer, folder: ChunkFolder, media: Sequence[Medium]) -> tuple[str, ...]:
    """Layers to compute now: those of the space that are neither final nor whole in chunks.

    Nothing if the wanted layer needs only to be assembled.
    """

    def whole(layer: str) -> bool:
        return all(folder.is_whole(layer, medium.stimulus) for medium in media)

    if whole(job.layer):
        return ()
    return tuple(
        layer
        for layer in job.space.layers
        if layer == job.layer or not (whole(layer) or job.output.with_name(f"{layer}.h5").is_file())
    )


def _device(resolved: Resolved, threads: int) -> str:
    """``cpu`` or ``cuda``; fixes the number of threads."""
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    if resolved.study.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if resolved.study.device == "cuda" and not torch.cuda.is_available():
        raise UserError("config.yaml: device: cuda, but torch finds no GPU; use auto or cpu")
    return resolved.study.device


def _compute(
    job: Layer,
    layers: tuple[str, ...],
    media: Sequence[Medium],
    folder: ChunkFolder,
    weights: Weights,
    device: str,
) -> None:
    """One pass of each stimulus: all `layers` into chunks, beginning where a kill left off."""
    for medium in media:
        if all(folder.is_whole(layer, medium.stimulus) for layer in layers):
            continue
        if not job.extractor.can_skip:
            for layer in layers:
                folder.clear(layer, medium.stimulus)
        first = min(folder.count(layer, medium.stimulus) for layer in layers)
        notes: dict[str, Any] = {}
        chunks = _chunks(job, layers, medium, weights, device, first, notes)
        with _progress(job, medium) as progress:
            for index, chunk in enumerate(chunks, first):
                for layer in layers:
                    folder.write(layer, medium.stimulus, index, chunk[layer])
                times = chunk[layers[0]].times
                if len(times):
                    progress.update(max(round(float(times[-1]), 1) - progress.n, 0))
        folder.note(medium.stimulus, notes)
        for layer in layers:
            folder.finish(layer, medium.stimulus)


def _chunks(
    job: Layer,
    layers: tuple[str, ...],
    medium: Medium,
    weights: Weights,
    device: str,
    first: int,
    notes: dict[str, Any],
) -> Iterator[dict[str, Block]]:
    """What the extractor gives, checked; small chunks are joined unless they can be skipped."""
    extras: dict[str, Any] = {"skip": first} if job.extractor.can_skip else {}
    if job.extractor.takes_notes:
        extras["notes"] = notes
    given = job.extractor.function(
        medium.path, layers, job.space.options, weights.folder, device, **extras
    )
    waiting: list[dict[str, Block]] = []
    held = 0
    for chunk in given:
        for layer in layers:
            _check_block(job, layer, chunk)
        waiting.append(chunk)
        held += sum(chunk[layer].values.size for layer in layers)
        if job.extractor.can_skip or held >= JOINED:
            yield _joined(waiting, layers)
            waiting, held = [], 0
    if waiting:
        yield _joined(waiting, layers)


def _joined(chunks: Sequence[dict[str, Block]], layers: tuple[str, ...]) -> dict[str, Block]:
    return {
        layer: Block(
            np.concatenate([chunk[layer].values for chunk in chunks]),
            np.concatenate([chunk[layer].times for chunk in chunks]),
        )
        for layer in layers
    }


def _progress(job: Layer, medium: Medium) -> Any:
    total: float = len(medium.items)
    if isinstance(medium.path, Path):
        total = round(media_info(medium.path).duration, 1)
    return tqdm(
        total=total,
        desc=f"{job.space_name} of {medium.stimulus}",
        unit=" images" if medium.items else "s",
        mininterval=5,
    )


def _check_block(job: Layer, layer: str, chunk: dict[str, Block]) -> None:
    """Refuse what a faulty extractor may give; the module may be a user's."""
    where = f"{job.extractor.module}: {job.extractor.name}"
    if layer not in chunk:
        raise UserError(f"{where}: gave no layer {layer}")
    values, times = np.asarray(chunk[layer].values), np.asarray(chunk[layer].times)
    if values.ndim != 2 or times.shape != values.shape[:1]:
        raise UserError(
            f"{where}: {layer}: values {values.shape} and times {times.shape} don't fit; they "
            "must be (n, p) and (n,)"
        )
    if not (np.isfinite(values).all() and np.isfinite(times).all()):
        raise UserError(f"{where}: {layer}: gave values that are not finite")


def _write_labels(job: Layer, inputs: Inputs) -> None:
    """One row for each label of the experiment."""
    path = _needed(inputs.inventory, "--inventory", job)
    listed = read_inventory(path)
    table = listed.table
    items = sorted(set(table.loc[table["kind"] == "label", "item"].dropna().astype(str)))
    if not items:
        raise UserError(f"{path}: names no labels; {job.extractor.name} has nothing to describe")
    result = job.extractor.function(items, (job.layer,), job.space.options)[job.layer]
    with job.create("item", listed.provenance.simulated) as file:
        file.items(items, iter([np.asarray(result.values, np.float32)]))
        file.names(result.names)


def _write_truth(job: Layer, inputs: Inputs) -> None:
    """What the simulator knows."""
    path = _needed(inputs.truth, "--truth", job)
    with job.create("timed", read_truth(path).provenance.simulated) as file:
        for stimulus, blocks in job.extractor.function(path, (job.layer,), job.space.options):
            _check_block(job, job.layer, blocks)
            block = blocks[job.layer]
            file.stimulus(stimulus, block.times, job.window, iter([block.values]))
        file.names(job.names(file.width))
