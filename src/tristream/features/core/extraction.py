"""Features of films, sounds and images: one pass of the stimuli serves all layers of a job."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tristream.config.settings.features import FeatureSettings
from tristream.device import choose_device
from tristream.errors import UserError
from tristream.features.core.block_checks import (
    check_block,
    check_in_medium,
    check_layers_given,
    checked_chunks,
    joined,
)
from tristream.features.core.checked_space import check_layers, of_settings
from tristream.features.core.chunks import ChunkFolder
from tristream.features.core.cost import Meter
from tristream.features.core.feature_file import FeatureWriter, Sampling
from tristream.features.core.layer_output import Job
from tristream.features.core.registry import Block
from tristream.features.core.resources import (
    Medium,
    Weights,
    content_hash,
    find_media,
    find_weights,
)
from tristream.fetch.receipt import Receipt
from tristream.media.media_contents import media_info
from tristream.store import Omission

# Numbers that are held before they are stored, for extractors that give small chunks.
JOINED = 1_000_000
COLUMNS = "columns"
WINDOW = "window"


def extract_media(
    settings: FeatureSettings,
    outputs: Sequence[Path],
    receipt: Path | None,
    weights: Path | None,
    code: str,
    threads: int = 1,
) -> None:
    """Write layers of a space of films, sounds or images in one pass.

    What is computed lies in ``.chunks`` beside the files until all of them are written, so that a
    killed job goes on where it was.

    Parameters
    ----------
    settings : FeatureSettings
        The space.
    outputs : sequence of Path
        The files to write; each is named like its layer.
    receipt, weights : Path
        Receipts of the stimuli and of pretrained weights.
    code : str
        Fingerprint of all code that the job reaches.
    threads : int
        Threads of torch and OpenCV. The number is part of the method: other numbers change the
        last digits.

    Raises
    ------
    UserError
        If a layer, an input or a stimulus is not usable.
    """
    meter = Meter()
    job = Job(settings, of_settings(settings), outputs, code)
    fetched = Receipt.read(job.needed(receipt, "--receipt"))
    found = find_weights(job.space, weights)
    check_layers(settings.space, job.space, job.layers, found.folder)
    media, omitted = find_media(job.extractor, settings.dataset, settings.stimuli, fetched)
    content = content_hash(settings, code, media, found)
    # Whatever is missing is an error here, never a download.
    os.environ["HF_HUB_OFFLINE"] = "1"
    folder = ChunkFolder(outputs[0].parent / ".chunks" / content, job.layers)
    _compute(job, media, folder, found, _device(job, settings, threads))
    with ExitStack() as stack:
        # All files appear together: a job that is killed before has written none.
        for path in outputs:
            file = _assemble(stack, job, path, media, folder, found, fetched.simulated, omitted)
            file.cost(meter.cost(job.layers))
    folder.remove()


def _device(job: Job, settings: FeatureSettings, threads: int) -> str:
    """``cpu`` or ``cuda``; fixes the number of threads."""
    import cv2

    cv2.setNumThreads(threads)
    if not job.extractor.on_gpu(job.space.options):
        return "cpu"  # Without torch, which takes longer to import than some spaces to compute.
    import torch

    torch.set_num_threads(threads)
    return choose_device(settings.device)


def _compute(
    job: Job, media: Sequence[Medium], folder: ChunkFolder, weights: Weights, device: str
) -> None:
    """One pass of each stimulus: all layers into chunks, beginning where a kill left off."""
    for medium in media:
        layers = tuple(one for one in job.layers if not folder.is_whole(one, medium.stimulus))
        if not layers:
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
        for layer in layers:
            folder.finish(layer, medium.stimulus, notes)


def _chunks(
    job: Job,
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
    numbers = 0
    end = media_info(medium.path).duration if isinstance(medium.path, Path) else math.inf
    for chunk in checked_chunks(job.where, given):
        for layer in layers:
            check_block(job.where, layer, chunk)
            window = float(notes.get(WINDOW, job.window(layer)))
            check_in_medium(job.where, layer, np.asarray(chunk[layer].times), window, end)
        check_layers_given(job.where, layers, chunk)
        waiting.append(chunk)
        numbers += sum(chunk[layer].values.size for layer in layers)
        if job.extractor.can_skip or numbers >= JOINED:
            yield joined(waiting, layers)
            waiting, numbers = [], 0
    if waiting:
        yield joined(waiting, layers)


def _progress(job: Job, medium: Medium) -> Any:
    total: float = len(medium.items)
    if isinstance(medium.path, Path):
        total = round(media_info(medium.path).duration, 1)
    return tqdm(
        total=total,
        desc=f"{job.settings.space} of {medium.stimulus}",
        unit=" images" if medium.items else "s",
        mininterval=5,
    )


def _assemble(
    stack: ExitStack,
    job: Job,
    path: Path,
    media: Sequence[Medium],
    folder: ChunkFolder,
    weights: Weights,
    simulated: bool,
    omitted: Sequence[Omission],
) -> FeatureWriter:
    """Join the chunks of a layer, one in memory at a time."""
    layer = path.stem
    all_times = [folder.times(layer, medium.stimulus) for medium in media]
    all_notes = [folder.notes(layer, medium.stimulus) for medium in media]
    windows = [float(notes.pop(WINDOW, job.window(layer))) for notes in all_notes]
    noted = [notes.pop(COLUMNS, None) for notes in all_notes][-1]
    for medium, times in zip(media, all_times, strict=True):
        _check_times(job, layer, medium, times)
    widths = {folder.width(layer, medium.stimulus) for medium in media}
    if len(widths) != 1:
        raise UserError(
            f"{job.where}/{layer}: stimuli differ in their number of columns: {sorted(widths)}"
        )
    width = widths.pop()
    names = job.names(layer, width, noted)
    sampling: Sampling = "item" if media[0].items else "timed"
    timed = all_times if sampling == "timed" else []
    methods = job.methods(layer, width, timed, all_notes[0], images=sampling == "item")
    file = stack.enter_context(
        job.create(path, sampling, simulated, methods, weights.files, omitted)
    )
    for medium, times, window, notes in zip(media, all_times, windows, all_notes, strict=True):
        blocks = folder.blocks(layer, medium.stimulus)
        if medium.items:
            file.items(medium.items, blocks, notes)
        else:
            file.stimulus(medium.stimulus, times, window, blocks, notes)
    file.names(names)
    return file


def _check_times(job: Job, layer: str, medium: Medium, times: np.ndarray) -> None:
    """Refuse times that do not rise, or are not as many as the images."""
    if len(times) == 0 or np.any(np.diff(times) <= 0):
        raise UserError(
            f"{medium.name}: {job.extractor.name}/{layer} gave "
            + ("times that do not rise" if len(times) else "no samples: is it long enough?")
        )
    if not isinstance(medium.path, Path) and len(times) != len(medium.items):
        raise UserError(
            f"{job.where}/{layer}: gave {len(times)} rows for {len(medium.items)} images"
        )
