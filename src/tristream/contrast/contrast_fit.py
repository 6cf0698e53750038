"""t maps of a contrast between conditions, from one subject's run files.

Each run's model holds the expected responses and the basis of all that cleaning projected out. By
the theorem of Frisch, Waugh and Lovell, it gives for the cleaned BOLD what it would give for the
BOLD before cleaning: the same estimates, noise, t, and degrees of freedom. Runs are joined by
nilearn's fixed effects, each voxel in units of its own run's standard deviation: the effect is the
mean over the runs that hold the contrast, so that subjects with unequal numbers of runs can be
compared.
"""

import functools
import operator
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np
from nilearn.glm.contrasts import Contrast as Estimate
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import run_glm

from tristream.align.timeline import check_fit
from tristream.bold.run_file import Run, read_run, read_runs
from tristream.config.contrast import Contrast
from tristream.config.settings.contrast import ContrastSettings
from tristream.contrast.contrast_file import KIND, ContrastMap, write_contrast
from tristream.contrast.design_matrix import OTHERS, carried, condition, design
from tristream.errors import UserError
from tristream.phrases import listed
from tristream.stimuli.tables import read_inventory
from tristream.stimuli.timelines import Event
from tristream.store import Omission, Provenance

HRFS = {"spm": "SPM's canonical haemodynamic response", "glover": "Glover's haemodynamic response"}
NOISE = {"ar1": "autoregressive noise of order one", "ols": "white noise"}


def fit_contrast(
    settings: ContrastSettings,
    inventory: Path,
    bold: Sequence[Path],
    output: Path,
    code: str = "",
) -> None:
    """Fit a contrast and write its file.

    Parameters
    ----------
    settings : ContrastSettings
        The contrast, the subject and its timeline.
    inventory : Path
        Events.
    bold : list of Path
        The subject's run files.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.

    Raises
    ------
    UserError
        If rows are trials, events outlast the BOLD, or no run holds all labels of the contrast.
    """
    heads, block = read_runs(bold, signal=False), settings.block
    if heads[0].trials:
        raise UserError(
            f"{bold[0]}: its rows are trials; a contrast needs volumes: leave `trials` out of the "
            "descriptor"
        )
    table = read_inventory(inventory)
    events = table.timeline(settings.timeline)
    check_fit(events, heads, settings.trims, inventory, settings.absent)
    timed = _timed(settings.part, [head.run for head in heads], events)
    estimates, used = list[Estimate](), list[str]()
    for path, head in zip(bold, heads, strict=True):
        estimate = fit_run(read_run(path), timed[head.run], block)
        if estimate is not None:
            estimates.append(estimate)
            used.append(head.run)
    if not estimates:
        known = sorted({e.label or e.item for own in events.values() for e in own if e.keep})
        raise UserError(
            f"contrasts.{settings.contrast}: no run of {settings.dataset} sub-{settings.subject} "
            f"shows all of {', '.join([*block.plus, *block.minus])}; it shows {', '.join(known)}"
        )
    joined = fixed_effects(estimates)
    shown = [event for run in used for event in events[run]]
    omitted = list(dict.fromkeys(o for head in heads for o in head.omitted))
    if left := [head.run for head in heads if head.run not in used]:
        why = f"not all conditions of {settings.contrast} are shown there"
        omitted.append(Omission(", ".join(left), why))
    simulated = table.provenance.simulated or any(head.simulated for head in heads)
    modelled = {condition(event) for run in used for _, event in timed[run]}
    methods = sentences(block, modelled, len(used))
    first = heads[0]
    i, j, k = (int(n) for n in first.shape)
    found = ContrastMap(
        effect=np.asarray(joined.effect_size(), np.float32).ravel(),
        variance=np.asarray(joined.effect_variance(), np.float32).ravel(),
        t=np.nan_to_num(np.asarray(joined.stat(), np.float32).ravel()),
        z=np.nan_to_num(np.asarray(joined.z_score(), np.float32).ravel()),
        ijk=first.ijk,
        affine=first.affine,
        shape=(i, j, k),
        regions=first.regions,
        dof=float(joined.dof),
        runs=used,
        conditions=Counter(event.label or event.item for event in shown),
        provenance=Provenance(KIND, simulated, settings.key(), code, tuple(omitted), methods),
        grayordinates=first.grayordinates,
    )
    write_contrast(output, found)


def sentences(block: Contrast, modelled: Set[str], runs: int) -> tuple[str, ...]:
    """What was fitted, for the methods section.

    Parameters
    ----------
    block : Contrast
        As configured.
    modelled : set of str
        Conditions that had a regressor in some run.
    runs : int
        Runs that were joined.
    """
    own = sorted(modelled - {OTHERS})
    length = {None: "of their own durations", 0.0: "as instants"}.get(
        block.duration, f"of {block.duration or 0:g} s"
    )
    others = " and one for all events that are not samples" if OTHERS in modelled else ""
    over = f"the mean response to {listed(block.minus)}" if block.minus else "the baseline"
    text = [
        f"The contrast of the mean response to {listed(block.plus)} with {over} was estimated by "
        f"general linear models of nilearn [@nilearn] with {NOISE[block.noise]}.",
        f"Events {length} were convolved with {HRFS[block.hrf]}, one regressor for each of "
        f"{listed(own)}{others}; the models held all that cleaning had projected out, so that "
        "estimates and degrees of freedom are those of the BOLD before cleaning.",
    ]
    if runs > 1:
        text.append(
            f"{runs} runs were joined as fixed effects, each voxel in units of its own run's "
            "standard deviation: the effect is the mean over runs."
        )
    return tuple(text)


def fit_run(run: Run, events: Sequence[tuple[float, Event]], block: Contrast) -> Estimate | None:
    """Effect and variance of the contrast in one run; None if a condition of it is not shown.

    Parameters
    ----------
    run : Run
        With its BOLD.
    events : list of (onset, Event)
        Seconds of the run; from before it, too.
    block : Contrast
        As configured.
    """
    responses, names = design(run, events, block.hrf, block.duration)
    if not {*block.plus, *block.minus} <= set(names):
        return None
    weights = np.zeros(responses.shape[1] + run.projection.shape[1])
    for side, labels in ((1, block.plus), (-1, block.minus)):
        for label in labels:
            weights[names.index(label)] = side / len(labels)
    whole = np.concatenate([responses, run.projection], axis=1)
    with warnings.catch_warnings():
        # Of voxels that cleaning explained fully; they get t = 0.
        warnings.simplefilter("ignore", RuntimeWarning)
        labels, fits = run_glm(run.bold.astype(np.float64), whole, noise_model=block.noise)
        return compute_contrast(labels, fits, weights, stat_type="t")


def fixed_effects(estimates: Sequence[Estimate]) -> Estimate:
    """Mean effect of runs, with the variance of that mean and the sum of degrees of freedom.

    As nilearn's `compute_fixed_effects` of runs with equal weights.

    Parameters
    ----------
    estimates : list of Contrast
        One of each run that holds the contrast, (voxels,) each.
    """
    # nilearn's sum of contrasts is one of effects and variances, not their mean.
    return functools.reduce(operator.add, estimates) * (1 / len(estimates))


def _timed(
    part: float | None, runs: Sequence[str], events: Mapping[str, Sequence[Event]]
) -> dict[str, list[tuple[float, Event]]]:
    """Events with their onsets; parts of one scan, `part` s long, know those of the part before."""
    if part is not None:
        return carried(runs, events, part)
    return {run: [(event.onset, event) for event in events[run]] for run in runs}
