"""Sentences of what was trained on brain and label, for the methods section."""

import numpy as np

from tristream.config.networks import NetworkDesign
from tristream.encode.readout_networks import LAYERS
from tristream.networks.network_inputs import Moment
from tristream.networks.regimes_file import NetworkRegimes
from tristream.networks.shown_samples import ShownSamples
from tristream.phrases import counted, listed

KINDS = {
    "two_stream": "a network of two streams, of frames and of optical flow [@simonyan2014]",
    "lstm": "a recurrent network (LSTM) on 33 descriptors of sound",
    "crnn": "a convolutional recurrent network on log-mel spectra [@choi2017]",
    "tcn": "a temporal convolutional network on log-mel spectra [@bai2018]",
}
REGIMES = {
    "frozen": "the network stayed as it was, and the readout was fitted by ridge regression",
    "staged": "readout and network learned together, the readout from that ridge regression",
    "joint": "readout and network learned together, the readout from zero",
}


def methods_of(
    shown: ShownSamples, moments: list[Moment], found: NetworkRegimes, block: NetworkDesign
) -> tuple[str, ...]:
    """What was learned from what, and how it was tested.

    Parameters
    ----------
    shown : ShownSamples
        With the voxels that were learned.
    moments : list of Moment
        Of its samples.
    found : NetworkRegimes
    block : NetworkDesign
    """
    return (
        *_network(shown, found, block),
        *_samples(shown, moments, found, block),
        *_training(found, block),
        *_measures(shown, found, block),
    )


def _network(shown: ShownSamples, found: NetworkRegimes, block: NetworkDesign) -> list[str]:
    chosen = (
        " with the largest F of the labels in the samples that were learned from"
        if shown.ranked
        else ""
    )
    where = f" of {listed(block.regions)}" if block.regions else ""
    layers = listed(LAYERS[found.network])
    return [
        f"Network {found.name} was {KINDS[found.network]} with random first weights.",
        f"It learned to name {len(found.classes)} labels from what was shown, and by a linear "
        f"readout of its layer{'s' * (len(LAYERS[found.network]) > 1)} {layers} to predict the "
        f"{counted(len(found.column), 'voxel')}{where}{chosen} (the loss is cross-entropy plus "
        f"{block.training.weight:g} × the squared error of z-scored voxels) [@federer2020; "
        "@safarani2021].",
    ]


def _samples(
    shown: ShownSamples, moments: list[Moment], found: NetworkRegimes, block: NetworkDesign
) -> list[str]:
    runs = len(set(shown.run)) - len(found.test)
    what = "means over presentations" if block.samples == "blocks" else shown.rows
    text = [
        f"{counted(found.learnt, 'sample')} ({what}) of {counted(runs, 'run')} were learned from, "
        f"and {found.tested:,} of {counted(len(found.test), 'held-out run')} were predicted."
    ]
    if shown.delay:
        text.append(f"Responses were taken {shown.delay:g} s after what was shown.")
    if not shown.one_item:
        text.append("Nothing was learned from other showings of items of held-out runs.")
    kinds, given = {moment.event.kind for moment in moments}, block.inputs
    if found.network != "two_stream":
        text.append(f"A sample was the window of {given.frames} spectra around its moment.")
    elif "film" in kinds:
        text.append(
            f"A sample was the frame at its moment and {counted(given.stack, 'field')} of flow, at "
            f"{given.fps:g} frames per second, {given.size} x {given.size} pixels."
        )
    if "image" in kinds:
        text.append("The flow of images is zero.")
    return text


def _training(found: NetworkRegimes, block: NetworkDesign) -> list[str]:
    regimes = list(found.correlation)
    seeds = found.scores["seed"].nunique()
    told = listed(f"{regime} ({REGIMES[regime]})" for regime in regimes)
    labels = (
        f"Each of {seeds} seeds learned labels alone first, for {block.training.label_epochs} "
        "epochs at most; from there it went on as "
    )
    return [
        f"{labels}{told}.",
        f"Training on both had {block.training.epochs} epochs at most.",
        "One run of those that were learned from, drawn by the seed, ended training and chose the "
        "penalty of the readout, and in each regime the readout was fitted once more by ridge "
        "regression.",
    ]


def _measures(shown: ShownSamples, found: NetworkRegimes, block: NetworkDesign) -> list[str]:
    moved = "presentations" if shown.one_item else "items"
    text = [
        "Predictions of held-out samples were scored by Pearson's r, mean over voxels, and by the "
        "balanced accuracy of labels, each with its mean and standard error over seeds.",
        f"Chance of labels was measured by {block.permutations:,} permutations of the labels of "
        f"held-out {moved}.",
    ]
    if found.embedding is not None:
        text.append("Layers that voxels are read from were embedded by t-SNE [@maaten2008].")
    if found.pictures:
        text.append("Where the evidence lies was mapped by Grad-CAM [@selvaraju2017].")
    return text


def title_of(moment: Moment) -> str:
    """A moment of a stimulus in words."""
    if np.isnan(moment.event.media_start):
        return moment.event.stimulus
    return f"{moment.event.stimulus} at {moment.media:.1f} s"
