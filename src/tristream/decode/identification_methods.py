"""What an identification did: sentences for a methods section."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.config.identification import IdentificationDesign
from tristream.config.settings.identification import IdentificationSettings
from tristream.decode.decoded_places import joined_name
from tristream.decode.feature_decoder import ALPHAS
from tristream.decode.identification import Identification
from tristream.decode.item_decoding import Chosen
from tristream.decode.shown_units import ShownUnits
from tristream.phrases import counted


@dataclass(frozen=True)
class Done:
    """What the sentences tell of.

    Attributes
    ----------
    settings : IdentificationSettings
    units : ShownUnits
    found : Identification
        Of one layer and region; what is told of it is the same for all.
    imagined : Identification or None
        The same of imagined items.
    showings : ndarray of int
        Of each item.
    left_out, averaged : int
        Presentations that no fit got; those that took the mean features of their label.
    epochs : tuple of int
        After which each contrastive network was best.
    chosen : tuple of Chosen
        Of each fit of the better of two decoders.
    places : int
        That items were decoded from: regions, and all of them together.
    """

    settings: IdentificationSettings
    units: ShownUnits
    found: Identification
    imagined: Identification | None
    showings: npt.NDArray[np.integer]
    left_out: int
    averaged: int
    epochs: tuple[int, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    places: int = 1


def methods_of(done: Done) -> tuple[str, ...]:
    """Decoder, samples, folds, identification, null, audit and gate."""
    design, units = done.settings.block, done.units
    sentences = [_decoder(done.settings), *_banded(done), *_networks(done)]
    sentences += [_samples(done), _folds(done)]
    sentences.append(_identified(design, "each" in units.split))
    if done.averaged:
        sentences.append(
            "Items without features of their own took the mean features of the images of their "
            "label that were shown."
        )
    sentences.append(null_of(done.found, design))
    if done.imagined and "each" in units.split:
        null = null_of(done.imagined, design)
        sentences.append(f"Of imagined items, which trained no decoder: {null}")
    sentences.append(
        "Beside each figure stand the share of items whose category was trained, the participation "
        "ratios of predicted and of true features over the items, and what the mean training item, "
        "training items drawn at random (200 draws) and the mean of the right category would score "
        "as predictions [@shirakawa2025]."
    )
    if "imagined" in units.split:
        sentences.append(
            "Imagined items were identified by themselves. Before that the mean patterns of each "
            "in random halves of the runs were correlated, the mean over items taken out of each "
            "run, and compared with those of items permuted within each run"
            f"{_over_places(done)}; where p exceeds .05 or there is none, "
            "identification of imagined items is not taken as evidence."
        )
    return tuple(sentences)


def _over_places(done: Done) -> str:
    if done.places == 1:
        return ""
    which = "places, the regions and all together," if done.chosen else "regions"
    return f" (p by the largest of all {done.places} {which} in each permutation)"


def _decoder(settings: IdentificationSettings) -> str:
    design = settings.block
    which = (
        "all voxels" if design.voxels is None else f"its {design.voxels:,} voxels of largest |r|"
    )
    if isinstance(design.alpha, str):
        penalty = (
            f"the penalty of each unit chosen among {counted(len(ALPHAS), 'value')} by the "
            "correlation with training runs that were left out in turn, voxels selected without "
            "them"
        )
    else:
        penalty = f"penalty {design.alpha:g}"
    where = "all voxels" if not design.regions else ", ".join(design.regions)
    return (
        f"Identification {settings.identification}: units of {', '.join(design.features)} were "
        f"decoded from {where}, each by ridge regression on {which} ({penalty}), voxels selected "
        "and all variables z-scored by the training presentations [@horikawa2017]."
    )


def _banded(done: Done) -> list[str]:
    """What was fitted to all regions together, and how often banded ridge regression was taken."""
    if not done.chosen:
        return []
    regions, one = list(done.units.regions), done.chosen[0]
    least, most = (
        min(done.chosen, key=lambda fit: sign * fit.banded / fit.units) for sign in (1, -1)
    )
    taken = f"{least.banded:,} of {least.units:,}"
    if (most.banded, most.units) != (least.banded, least.units):
        taken += f" (the least, over layers and fits) to {most.banded:,} of {most.units:,}"
    folds, groups = (
        _range([getattr(fit, key) for fit in done.chosen]) for key in ("folds", "groups")
    )
    return [
        f"From the voxels of all {len(regions)} regions together ({joined_name(regions)}) units "
        "were decoded in the same way, and by banded ridge regression on all of them with the "
        f"regions ({', '.join(regions)}) as bands [@dupre2022]: weights of the bands, among "
        f"{one.weightings} candidates, and the penalty, among {one.penalties}, were chosen for "
        f"each unit by R² in training runs that were left out in turn ({folds} "
        "groups of runs).",
        "The better of the two was chosen for each unit within the training runs: both were "
        f"fitted anew, their own choices included, without each of {groups} groups of training "
        "runs, and the higher mean correlation with these decided, a tie for selected voxels. "
        f"Banded ridge regression was taken for {taken} units.",
    ]


def _range(values: list[int]) -> str:
    few, many = min(values), max(values)
    return f"{few}" if few == many else f"{few} to {many}"


def _networks(done: Done) -> list[str]:
    """How contrastive networks were trained."""
    design = done.settings.block.contrastive
    if design is None:
        return []
    loss = {
        "infonce": "InfoNCE over the items and over the responses of a batch [@oord2018]",
        "siglip": "a logistic loss of each pair of a response and an item [@zhai2023]",
    }[design.loss]
    mixed = ", pairs of responses mixed at random [@kim2020]" if design.mixco else ""
    hidden = f"{counted(design.hidden, 'hidden unit')} (dropout {design.dropout:g})"
    parts = f"a linear map and {hidden}" if design.hidden else "a linear map"
    few, many = min(done.epochs), max(done.epochs)
    kept = f"{few}" if few == many else f"{few} to {many}"
    return [
        f"On the same samples and all voxels, {counted(design.seeds, 'network')} (seed "
        f"{done.settings.block.seed}) were trained by {loss}, on the correlation of outputs with "
        f"z-scored features{mixed}. Each adds {parts} to a ridge regression, and left out one "
        "training run with the items that it shows (a fifth of these, where they are more than "
        "half of all): of the penalties of the ridge regression, and "
        f"of the epochs (AdamW, learning rate {design.learning_rate:g}, at most {design.epochs}, "
        f"patience {design.patience}), that with the lowest loss of this run was kept (epoch "
        f"{kept}; 0 is the ridge regression alone). Outputs were averaged over the networks, which "
        "were given the mean response to an item."
    ]


def _samples(done: Done) -> str:
    units = done.units
    rows = "trials" if units.trials else "volumes"
    later = f", taken {units.delay:g} s later" if units.delay else ""
    unit = "time block" if done.settings.unit == "time" else "presentation"
    return f"A sample was the mean of the {rows} of a {unit}{later}."


def _folds(done: Done) -> str:
    if "each" in done.units.split:
        text = "Each run was held out once, the decoders fitted to the others."
    else:
        text = "Decoders were fitted to the training runs and tested on the held-out runs."
    if done.left_out:
        text += (
            f" Presentations of items that a fit was tested on were not given to it "
            f"({done.left_out:,} over all fits)."
        )
    few, many = int(done.showings.min()), int(done.showings.max())
    often = counted(many, "showing") if few == many else f"{few} to {many} showings"
    by_run = "each" in done.units.split and done.settings.block.candidates != "trained"
    where = " in a run" if by_run else ""
    return f"{text} Predictions were averaged over the {often} of an item{where}."


def _identified(design: IdentificationDesign, in_turn: bool) -> str:
    tested = "the items of its run" if in_turn else "the tested items"
    among = {
        "tested": tested,
        # Of runs that are left out in turn all items are tested, and all train.
        "trained": "the items of all runs" if in_turn else "the tested and the training items",
    }.get(design.candidates, f"{tested} and others that were never shown")
    scaled = "all presentations" if in_turn else "the training presentations"
    return (
        f"An item was identified among {among} as that whose features, z-scored by {scaled}, "
        "correlated most with those predicted; pairwise identification is the share "
        "of wrong candidates that correlated less. The other way, the prediction that belongs to "
        "an item was found among those of all items."
    )


def null_of(
    found: Identification, design: IdentificationDesign, over: str = "layers and regions"
) -> str:
    """How chance was measured; `over` is what p are corrected for."""
    pairwise = found.pairwise
    if np.isnan(pairwise.chance):
        return f"Identification has neither p value nor measured chance: {pairwise.refusal}."
    permuted = (
        f"the identity of items was permuted {design.permutations:,} times among those shown in "
        f"the same runs (seed {design.seed})"
    )
    if np.isnan(pairwise.low):
        return (
            f"To measure chance, {permuted}, of which it is the mean. There is neither p value nor "
            f"interval: {pairwise.refusal}."
        )
    text = (
        f"Under the null hypothesis {permuted}; chance is the mean, and the interval the central "
        "95 % of these"
    )
    if pairwise.refusal:
        return f"{text}. There is no p value: {pairwise.refusal}."
    return (
        f"{text}, p is (1 + permutations at least as large) / (1 + permutations), and corrected p "
        f"compare with the largest figure of all {over} in each permutation."
    )
