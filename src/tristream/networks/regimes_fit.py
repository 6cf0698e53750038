"""Regimes of one network, trained on one subject's samples and tested on held-out runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tristream.config.networks import NetworkDesign
from tristream.config.settings.networks import NetworkSettings
from tristream.encode.brain_and_label import BrainAndLabelNetwork
from tristream.encode.regime_pictures import Picture, picture, rightly_named
from tristream.encode.regimes import RegimeComparison, compare_regimes
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.networks.label_chance import label_chance
from tristream.networks.network_inputs import Floats, Moment, read_inputs
from tristream.networks.regimes_file import KIND, NetworkRegimes, write_regimes
from tristream.networks.regimes_methods import methods_of, title_of
from tristream.networks.shown_samples import ShownSamples, read_shown, with_voxels
from tristream.store import Omission, Provenance


@dataclass(frozen=True)
class Given:
    """What a job gives to :func:`tristream.encode.regimes.compare_regimes`.

    Attributes
    ----------
    shown : ShownSamples
        Labels, runs and the responses of the chosen voxels.
    moments : list of Moment
        What each sample answers.
    inputs : tuple of ndarray
        What the network takes.
    simulated : bool
        Whether the stimuli, or any other file, say so.
    """

    shown: ShownSamples
    moments: list[Moment]
    inputs: tuple[Floats, ...]
    simulated: bool


def read_given(
    bold: Sequence[Path],
    samples: Path,
    inventory: Path,
    receipt: Path,
    settings: NetworkSettings,
) -> Given:
    """Read samples and stimuli.

    Parameters
    ----------
    bold : sequence of Path
        Run files of one subject.
    samples, inventory : Path
        The sample index, and the dataset's events.
    receipt : Path
        Of the stimuli.
    settings : NetworkSettings

    Raises
    ------
    UserError
        If files don't fit each other, there are too few labels or no held-out run, or a stimulus
        can't be opened.
    """
    block, where = settings.block, f"networks.{settings.network}"
    shown = read_shown(bold, samples, inventory, settings.timeline, block, where)
    shown = with_voxels(shown, block.voxels)
    moments = [Moment(event, float(at)) for event, at in zip(shown.event, shown.at, strict=True)]
    fetched = Receipt.read(receipt)
    inputs = read_inputs(moments, settings.stimuli, fetched, block)
    return Given(shown, moments, inputs, shown.simulated or fetched.simulated)


def network_of(block: NetworkDesign, device: str) -> BrainAndLabelNetwork:
    """The network of a block, not fitted."""
    training = block.training
    return BrainAndLabelNetwork(
        block.network,
        weight=training.weight,
        label_epochs=training.label_epochs,
        epochs=training.epochs,
        patience=training.patience,
        learning_rate=training.learning_rate,
        batch=training.batch,
        device=device,
        seed=block.seed,
    )


def train(given: Given, block: NetworkDesign, device: str) -> RegimeComparison:
    """Compare the regimes of a block.

    Parameters
    ----------
    given : Given
    block : NetworkDesign
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    """
    shown = given.shown
    return compare_regimes(
        network_of(block, device),
        given.inputs if len(given.inputs) > 1 else given.inputs[0],
        shown.label,
        shown.y,
        shown.run,
        test=held_out(shown),
        items=None if shown.one_item else shown.item,
        seeds=block.seeds,
        regimes=block.regimes,
    )


def held_out(shown: ShownSamples) -> list[str]:
    """Names of the held-out runs."""
    return list(dict.fromkeys(np.array(shown.run)[shown.test].tolist()))


def fit(
    bold: Sequence[Path],
    samples: Path,
    inventory: Path,
    receipt: Path,
    output: Path,
    settings: NetworkSettings,
    code: str = "",
) -> NetworkRegimes:
    """Train, test and write the file of kind ``network-regimes``.

    Parameters
    ----------
    bold, samples, inventory, receipt, settings
        As for :func:`read_given`.
    output : Path
        HDF5 file to write.
    code : str
        Fingerprint for the provenance.
    """
    block = settings.block
    given = read_given(bold, samples, inventory, receipt, settings)
    try:
        compared = train(given, block, settings.device)
    except UserError as error:
        raise UserError(f"{samples}: networks.{settings.network}: {error}") from None
    shown = given.shown
    tested = np.flatnonzero(shown.test)
    pictures, without = _pictures(compared, block.pictures, shown)
    found = NetworkRegimes(
        name=settings.network,
        network=block.network,
        classes=shown.classes,
        test=held_out(shown),
        learnt=int(shown.learnt.sum()),
        tested=len(tested),
        scores=compared.scores,
        correlation=compared.correlation,
        column=shown.column,
        chance=compared.chance,
        null=label_chance(
            compared.named, compared.labels, _moved(shown, tested), block.permutations, block.seed
        ),
        embedding=compared.embedding,
        pictures=pictures,
        titles=[title_of(given.moments[tested[one.sample]]) for one in pictures],
    )
    omitted = (*shown.omitted, *without)
    if compared.embedding is None:
        omitted += (Omission("t-SNE", f"only {len(tested)} held-out samples"),)
    methods = methods_of(shown, given.moments, found, block)
    made = Provenance(KIND, given.simulated, settings.key(), code, omitted, methods)
    write_regimes(output, found, made)
    return found


def _moved(shown: ShownSamples, tested: npt.NDArray[np.intp]) -> list[str]:
    """What held-out labels move with: items, or presentations where each label is one item."""
    if not shown.one_item:
        return [shown.item[k] for k in tested]
    return [f"{shown.run[k]}/{shown.event[k].onset:g}" for k in tested]


def _pictures(
    found: RegimeComparison, number: int, shown: ShownSamples
) -> tuple[list[Picture], list[Omission]]:
    """Grad-CAM of a held-out sample of each label, one that is named rightly if there is.

    Voxels have the numbers of the run files.
    """
    right = rightly_named(found)
    chosen = []
    for label in np.unique(found.labels)[:number]:
        own = np.flatnonzero(found.labels == label)
        chosen.append(int(own[np.argmax(right[own])]))
    try:
        made = [picture(found, sample) for sample in chosen]
        return [replace(one, voxel=int(shown.column[one.voxel])) for one in made], []
    except UserError as error:
        return [], [Omission("Grad-CAM", str(error))]
