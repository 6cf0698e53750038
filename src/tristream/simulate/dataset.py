"""Simulate a dataset: from a preset, feature files and an atlas to BIDS files and the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tristream.config.settings.simulate import ShownFilm, SimulateSettings
from tristream.errors import UserError
from tristream.fetch.clone import remove
from tristream.fetch.receipt import Receipt
from tristream.simulate import bids, repository
from tristream.simulate.preset import Preset
from tristream.simulate.signals import Signals, signals
from tristream.simulate.subject import Subject, simulate_subject
from tristream.simulate.truth_file import KIND, VoxelTruth, write_truth
from tristream.simulate.voxels import Voxels, streams_of, voxels
from tristream.store import Provenance, atomic_path


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


def simulate(settings: SimulateSettings, inputs: Inputs, outputs: Outputs, code: str = "") -> str:
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
    film, preset = check(settings), settings.preset
    Receipt.read(inputs.stimuli).path(film.path)
    atlas = Receipt.read(inputs.atlas).path(preset.atlas.members[0])
    drive = signals(preset, inputs.features)
    brain = voxels(preset, atlas)
    made = outputs.folder.with_name(f".{outputs.folder.name}.part")
    remove(made)
    try:
        return _written(settings, outputs, drive, brain, made, code)
    finally:
        remove(made)


def _written(
    settings: SimulateSettings,
    outputs: Outputs,
    drive: Signals,
    brain: Voxels,
    made: Path,
    code: str,
) -> str:
    """Write the dataset in the folder `made`, then put it in its place; return the commit."""
    preset = settings.preset
    repository.create(made, preset.seed)
    bids.write_shared(made, preset, settings.licence, settings.credit)
    truths = {}
    for number, label in enumerate(
        tqdm(preset.subjects, desc="simulating", unit="subject", mininterval=5)
    ):
        subject = simulate_subject(preset, brain, drive, number, label)
        bids.write_subject(made, preset, brain, subject, number)
        truths[label] = _truth(preset, brain, subject)
    text = methods(preset, drive, truths)
    provenance = Provenance(KIND, True, settings.key(), code, methods=text)
    latents = {
        stream: {preset.film.stimulus: (drive.readout(stream), drive.times)}
        for stream in drive.linear
    }
    write_truth(outputs.truth, provenance, latents, truths)
    commit = repository.save(made, f"Simulate {preset.title} (seed {preset.seed})")
    # Without a commit the dataset is made again: it must not name another one's.
    outputs.commit.unlink(missing_ok=True)
    remove(outputs.folder)
    made.rename(outputs.folder)
    with atomic_path(outputs.commit) as temporary:
        temporary.write_text(commit + "\n", encoding="utf-8")
    return commit


def check(settings: SimulateSettings) -> ShownFilm:
    """Refuse a preset that does not make the dataset that the descriptor describes.

    Returns
    -------
    ShownFilm
        The preset's film.

    Raises
    ------
    UserError
        One line: which descriptor, which key, what each side states.
    """
    preset, film = settings.preset, settings.film
    for key, stated, needed in (
        ("tr", settings.tr, preset.tr),
        ("subjects", settings.subjects, preset.subjects),
        ("runs", settings.runs, [run.run for run in preset.runs]),
        ("layout", settings.layout, LAYOUT),
        ("stimuli.table", film.match if film else "nothing", preset.film.file),
    ):
        if stated != needed:
            raise UserError(
                f"{settings.dataset}.yaml: {key}: is {_short(stated)}, but preset {preset.name} "
                f"makes {_short(needed)}; fix one of them"
            )
    assert film is not None
    return film


LAYOUT = ("fmriprep", bids.SPACE)


def _short(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _truth(preset: Preset, brain: Voxels, subject: Subject) -> VoxelTruth:
    return VoxelTruth(
        ijk=brain.ijk.astype(np.int32),
        region=brain.region,
        streams=np.array([streams_of(preset, region) for region in brain.region]),
        ceiling_r=subject.ceiling,
        nonlinear_share=subject.share,
        hrf_peak=subject.hrf_peak,
        ar_rho=subject.rho,
    )


def methods(preset: Preset, drive: Signals, truths: Mapping[str, VoxelTruth]) -> tuple[str, ...]:
    """What was simulated, as sentences: from the arrays, where they say it."""
    count, every = len(truths), list(truths.values())
    voxels = len(every[0].ijk)
    regions = len(np.unique(every[0].region))
    peak = np.concatenate([truth.hrf_peak for truth in every])
    rho = np.concatenate([truth.ar_rho for truth in every])
    ceiling = np.concatenate([truth.ceiling_r for truth in every])
    share = np.concatenate([truth.nonlinear_share for truth in every])
    driven = ceiling != 0
    low, high = np.percentile(ceiling[driven], [5, 95])
    noise = preset.noise
    added = [
        f"first-order autoregressive noise (lag-one correlation {rho.min():.2f} to "
        f"{rho.max():.2f}; {noise.fwhm:g} mm FWHM in space)"
    ]
    added += ["slow drifts"] * (noise.drift > 0)
    added += ["effects of simulated head motion"] * (noise.motion > 0 and noise.motion_voxels > 0)
    added += ["sudden movements"] * (noise.spikes > 0 and noise.spike_size > 0)
    median = f"{np.nanmedian(share):.0%}"
    curved = (
        ""
        if median == "0%"
        else f"; {median} of a voxel's signal variance (median) is not linear in the features that "
        "models are given"
    )
    products = ", and products of them," if any(z.size for z in drive.nonlinear.values()) else ""
    return (
        "The BOLD is simulated; no measurement was made.",
        f"tristream simulate wrote it from the preset {preset.name} (seed {preset.seed}) for "
        f"{count} subject{'s' * (count > 1)} at a TR of {preset.tr:g} s, in {voxels} voxels of "
        f"{preset.voxel:g} mm in {regions} regions of a probabilistic atlas.",
        f"Noise-free signals are mixtures{products} of features of the film "
        f"{preset.film.stimulus} (streams {', '.join(drive.linear)}), convolved with double-gamma "
        f"haemodynamic responses [@glover1999] that peak {peak.min():.1f} to {peak.max():.1f} s "
        f"after an event{curved}.",
        f"Added were {_listed(added)}.",
        "The correlation of the noise-free signal with the averaged test runs, the ceiling, lies "
        f"between {low:.2f} and {high:.2f} in 90 % of the voxels that have a signal.",
    )


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
