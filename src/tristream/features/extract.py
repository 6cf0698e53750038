"""Write one layer of a feature space; one pass of the stimuli serves all layers of the space."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from tristream.config.load import Resolved
from tristream.errors import UserError
from tristream.features.chunks import ChunkFolder, locked
from tristream.features.registry import Block, CheckedSpace, Extractor, check
from tristream.fetch.files import hash_file
from tristream.fetch.receipt import Receipt
from tristream.fingerprint import fingerprint
from tristream.stimuli.media import media_info
from tristream.store import (
    Omission,
    Provenance,
    create_h5,
    open_h5,
    provenance_of,
    read_table,
    write_strings,
)

KIND = "features"
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


@dataclass(frozen=True)
class Medium:
    """A film or sound that features are computed from."""

    stimulus: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Job:
    """One layer to write, with everything that goes into the file beside the values."""

    space_name: str
    stream: str
    space: CheckedSpace
    layer: str
    output: Path
    config: dict[str, Any]
    code: str
    inputs: Inputs

    @property
    def extractor(self) -> Extractor:
        """The extractor of the space."""
        return self.space.extractor


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
    checked = check(space, block)
    if layer not in checked.layers:
        raise UserError(
            f"config.yaml: features.{space}.layers: {layer!r} is not among "
            f"{', '.join(checked.layers)}"
        )
    job = Job(
        space_name=space,
        stream=block.stream,
        space=checked,
        layer=layer,
        output=output,
        config={"dataset": dataset, space: block.model_dump(mode="json", exclude={"layers"})},
        code=code or fingerprint(checked.extractor.module),
        inputs=inputs,
    )
    if checked.extractor.media == "label":
        _write_items(job)
    elif checked.extractor.media == "truth":
        _write_truth(job)
    else:
        chunks = Path(resolved.study.results) / ".chunks"
        _write_timed(job, resolved, dataset, chunks, threads)


def _write_timed(job: Job, resolved: Resolved, dataset: str, chunks: Path, threads: int) -> None:
    receipt = Receipt.read(_needed(job.inputs.receipt, "--receipt", job))
    weights = _weights(job)
    media, omitted = _media(job.extractor, resolved, dataset, receipt)
    content = _content_hash(job, media)
    with locked(chunks / content) as folder:
        layers = _missing(job, folder, media, content)
        if layers:
            _compute(job, layers, media, folder, weights, _device(resolved, threads))
        provenance = Provenance(KIND, receipt.simulated, job.config, job.code, tuple(omitted))
        with create_h5(job.output, provenance) as file:
            _describe(file, job, "timed")
            file.attrs["content"] = content
            _assemble(file, job, media, folder)
        folder.remove(job.layer)


def _needed(path: Path | None, option: str, job: Job) -> Path:
    if path is None:
        raise UserError(f"features extract: {job.extractor.name} needs {option}")
    return path


def _weights(job: Job) -> Path | None:
    """Folder of the extractor's pretrained weights."""
    source = job.extractor.weights
    if source is None:
        return None
    path = _needed(job.inputs.weights, "--weights", job)
    receipt = Receipt.read(path)
    if receipt.source.get("sha256") != source.sha256:
        raise UserError(
            f"{path}: is not the archive of {job.extractor.name} ({source.package} "
            f"{source.version}); delete it and run again"
        )
    for member in source.members:
        receipt.path(member)
    return receipt.root


def _media(
    extractor: Extractor, resolved: Resolved, dataset: str, receipt: Receipt
) -> tuple[list[Medium], list[Omission]]:
    """Stimuli that the extractor can read, in the order of the stimulus table."""
    checksums = {file.path: file.checksum for file in receipt.files}
    media, omitted = [], []
    for row in resolved.datasets[dataset].stimuli.table:
        if row.kind == "image" or (extractor.media, row.kind) == ("film", "sound"):
            omitted.append(Omission(row.stimulus, f"{extractor.name} does not read {row.kind}s"))
            continue
        path = receipt.path(row.path)
        if extractor.media == "sound" and not media_info(path).has_audio:
            omitted.append(Omission(row.stimulus, "it has no sound"))
            continue
        media.append(Medium(row.stimulus, path, _sha256(path, checksums[row.path])))
    if not media:
        raise UserError(
            f"{dataset}.yaml: stimuli.table: {extractor.name} reads {extractor.media}s, and "
            "none of the stimuli has one; take the space out of this dataset's models"
        )
    return media, omitted


def _sha256(path: Path, checksum: str) -> str:
    if checksum.startswith("sha256:"):
        return checksum.removeprefix("sha256:")
    return hash_file(path)


def _content_hash(job: Job, media: Sequence[Medium]) -> str:
    """Hash of everything that decides the values, layers aside."""
    weights = job.extractor.weights
    content = {
        "media": [(one.stimulus, one.sha256) for one in media],
        "extractor": job.extractor.name,
        "options": job.space.options.model_dump(mode="json"),
        "code": fingerprint(job.extractor.module),
        "weights": weights.sha256 if weights else "",
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _missing(
    job: Job, folder: ChunkFolder, media: Sequence[Medium], content: str
) -> tuple[str, ...]:
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
        if layer == job.layer
        or not (whole(layer) or _is_final(job.output.with_name(f"{layer}.h5"), content))
    )


def _is_final(path: Path, content: str) -> bool:
    if not path.is_file():
        return False
    try:
        with open_h5(path, KIND) as (file, _):
            return bool(file.attrs.get("content") == content)
    except UserError:
        return False


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
    job: Job,
    layers: tuple[str, ...],
    media: Sequence[Medium],
    folder: ChunkFolder,
    weights: Path | None,
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
        chunks = _chunks(job, layers, medium, weights, device, first)
        with _progress(job, medium) as progress:
            for index, chunk in enumerate(chunks, first):
                for layer in layers:
                    folder.write(layer, medium.stimulus, index, chunk[layer])
                times = chunk[layers[0]].times
                if len(times):
                    progress.update(max(round(float(times[-1]), 1) - progress.n, 0))
        for layer in layers:
            folder.finish(layer, medium.stimulus)


def _chunks(
    job: Job,
    layers: tuple[str, ...],
    medium: Medium,
    weights: Path | None,
    device: str,
    first: int,
) -> Iterator[dict[str, Block]]:
    """What the extractor gives, checked; small chunks are joined unless they can be skipped."""
    extras = {"skip": first} if job.extractor.can_skip else {}
    given = job.extractor.function(
        medium.path, layers, job.space.options, weights, device, **extras
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


def _progress(job: Job, medium: Medium) -> Any:
    return tqdm(
        total=round(media_info(medium.path).duration, 1),
        desc=f"{job.space_name} of {medium.stimulus}",
        unit="s",
        mininterval=5,
    )


def _check_block(job: Job, layer: str, chunk: dict[str, Block]) -> None:
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


def _assemble(file: h5py.File, job: Job, media: Sequence[Medium], folder: ChunkFolder) -> None:
    """Join the chunks of the wanted layer, one in memory at a time."""
    widths = set()
    for medium in media:
        times = folder.times(job.layer, medium.stimulus)
        if len(times) == 0 or np.any(np.diff(times) <= 0):
            raise UserError(
                f"{medium.path}: {job.extractor.name}/{job.layer} gave "
                + ("times that do not rise" if len(times) else "no samples: is it long enough?")
            )
        blocks = folder.blocks(job.layer, medium.stimulus)
        at, values = 0, None
        group = _timed_group(file, job, medium.stimulus, times)
        for block in blocks:
            if values is None:
                values = group.create_dataset("values", (len(times), block.shape[1]), "f4")
            values[at : at + len(block)] = block
            at += len(block)
        widths.add(group["values"].shape[1])
    _write_names(file, job, widths)


def _timed_group(file: h5py.File, job: Job, stimulus: str, times: np.ndarray) -> h5py.Group:
    group = file.create_group(f"stimuli/{stimulus}")
    group["times"] = np.asarray(times, np.float64)
    group.attrs["window"] = float(job.extractor.window(job.layer, job.space.options))
    return group


def _write_names(file: h5py.File, job: Job, widths: set[int]) -> None:
    """Names of the columns; every stimulus must have the same number of them."""
    if len(widths) != 1:
        raise UserError(
            f"{job.extractor.module}: {job.extractor.name}/{job.layer}: stimuli differ in their "
            f"number of columns: {sorted(widths)}"
        )
    names = job.extractor.names(job.layer, job.space.options, widths.pop())
    write_strings(file, "names", names)


def _describe(file: h5py.File, job: Job, sampling: str) -> None:
    weights = job.extractor.weights
    said = (
        {"file": weights.members, "sha256": weights.sha256, "licence": weights.licence}
        if weights
        else None
    )
    file.attrs["sampling"] = sampling
    file.attrs["space"] = job.space_name
    file.attrs["layer"] = job.layer
    file.attrs["stream"] = job.stream
    file.attrs["extractor"] = job.extractor.name
    file.attrs["options"] = json.dumps(job.space.options.model_dump(mode="json"))
    file.attrs["weights"] = json.dumps(said) if said else ""


def _write_items(job: Job) -> None:
    """One row for each label of the experiment."""
    path = _needed(job.inputs.inventory, "--inventory", job)
    table, said = read_table(path, "inventory")
    items = sorted(set(table.loc[table["kind"] == "label", "item"].dropna().astype(str)))
    if not items:
        raise UserError(f"{path}: names no labels; {job.extractor.name} has nothing to describe")
    result = job.extractor.function(items, (job.layer,), job.space.options)[job.layer]
    provenance = Provenance(KIND, said.simulated, job.config, job.code)
    with create_h5(job.output, provenance) as file:
        _describe(file, job, "item")
        write_strings(file, "items", items)
        file["values"] = np.asarray(result.values, np.float32)
        write_strings(file, "names", result.names)


def _write_truth(job: Job) -> None:
    """What the simulator knows."""
    path = _needed(job.inputs.truth, "--truth", job)
    simulated = provenance_of(path, "truth").simulated
    widths = set()
    with create_h5(job.output, Provenance(KIND, simulated, job.config, job.code)) as file:
        _describe(file, job, "timed")
        for stimulus, blocks in job.extractor.function(path, (job.layer,), job.space.options):
            _check_block(job, job.layer, blocks)
            block = blocks[job.layer]
            group = _timed_group(file, job, stimulus, block.times)
            group["values"] = np.asarray(block.values, np.float32)
            widths.add(block.values.shape[1])
        _write_names(file, job, widths)
