"""Simulate a dataset: from a preset, feature files and an atlas to BIDS files and the truth."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from tristream.config.dataset import Dataset
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.simulate import bids, repository
from tristream.simulate.preset import Preset
from tristream.simulate.signals import Signals, signals
from tristream.simulate.subject import Subject, simulate_subject
from tristream.simulate.voxels import Voxels, streams_of, voxels
from tristream.store import Provenance, atomic_path, create_h5, write_strings

KIND = "truth"


@dataclass(frozen=True)
class Inputs:
    """What is read: receipt of the stimuli, feature files, receipt of the atlas."""

    stimuli: Path
    features: tuple[Path, ...]
    atlas: Path


@dataclass(frozen=True)
class Outputs:
    """What is written: the dataset's folder, its commit (last of all), the truth."""

    folder: Path
    commit: Path
    truth: Path


def simulate(
    dataset: Dataset, preset: Preset, inputs: Inputs, outputs: Outputs, code: str = ""
) -> str:
    """Write a simulated BIDS dataset, saved with DataLad, and what is true of it.

    The same inputs give the same images and the same commit. What stood in the folder is
    replaced once the new dataset is whole.

    Returns
    -------
    str
        The dataset's commit.

    Raises
    ------
    UserError
        If the preset does not fit the descriptor, or an input is missing or unsuitable.
    """
    check(dataset, preset)
    film = next(s for s in dataset.stimuli.table if s.stimulus == preset.film.stimulus)
    Receipt.read(inputs.stimuli).path(film.path)
    atlas = Receipt.read(inputs.atlas).path(preset.atlas.members[0])
    outputs.commit.unlink(missing_ok=True)
    drive = signals(preset, inputs.features)
    brain = voxels(preset, atlas)
    made = outputs.folder.with_name(f".{outputs.folder.name}.part")
    repository.remove(made)
    repository.create(made, preset.seed)
    source = dataset.stimuli.source
    bids.write_shared(made, preset, getattr(source, "licence", ""), getattr(source, "credit", ""))
    config = {"preset": preset.model_dump(mode="json")}
    with create_h5(outputs.truth, Provenance(KIND, True, config, code)) as truth:
        truth.attrs["preset"] = preset.model_dump_json()
        _write_latents(truth, preset, drive)
        for number, label in enumerate(
            tqdm(preset.subjects, desc="simulating", unit="subject", mininterval=5)
        ):
            subject = simulate_subject(preset, brain, drive, number, label)
            bids.write_subject(made, preset, brain, subject, number)
            _write_subject(truth, preset, brain, subject)
    commit = repository.save(made, f"Simulate {preset.title} (seed {preset.seed})")
    repository.remove(outputs.folder)
    made.rename(outputs.folder)
    with atomic_path(outputs.commit) as temporary:
        temporary.write_text(commit + "\n", encoding="utf-8")
    return commit


def check(dataset: Dataset, preset: Preset) -> None:
    """Refuse a preset that does not make the dataset that the descriptor describes.

    Raises
    ------
    UserError
        One line: which descriptor, which key, what each side says.
    """
    known = {row.stimulus: row.match or row.path for row in dataset.stimuli.table}
    film = preset.film
    for key, said, needed in (
        ("tr", dataset.tr, preset.tr),
        ("subjects", dataset.subjects, preset.subjects),
        ("runs", dataset.runs, [run.run for run in preset.runs]),
        ("layout", (dataset.layout.kind, getattr(dataset.layout, "space", "")), LAYOUT),
        ("stimuli.table", known.get(film.stimulus, "nothing"), film.file),
    ):
        if said != needed:
            raise UserError(
                f"{dataset.id}.yaml: {key}: says {_short(said)}, but preset {preset.name} makes "
                f"{_short(needed)}; mend one of them"
            )


LAYOUT = ("fmriprep", bids.SPACE)


def _short(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _write_latents(truth: h5py.File, preset: Preset, drive: Signals) -> None:
    for stream in drive.linear:
        group = truth.create_group(f"latents/{stream}/{preset.film.stimulus}")
        group["values"] = drive.readout(stream).astype(np.float32)
        group["times"] = drive.times


def _write_subject(truth: h5py.File, preset: Preset, brain: Voxels, subject: Subject) -> None:
    group = truth.create_group(f"subjects/{subject.label}")
    group["ijk"] = brain.ijk.astype(np.int32)
    write_strings(group, "region", brain.region.tolist())
    write_strings(group, "streams", [streams_of(preset, region) for region in brain.region])
    group["ceiling_r"] = subject.ceiling
    group["nonlinear_share"] = subject.share
    group["hrf_peak"] = subject.hrf_peak
    group["ar_rho"] = subject.rho
