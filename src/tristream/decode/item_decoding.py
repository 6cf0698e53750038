"""Items decoded from one place in one way: folds, an estimator for each, means over showings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tristream.config.identification import IdentificationDesign
from tristream.decode.banded_decoder import BandedFeatureDecoder
from tristream.decode.better_decoder import BetterDecoder
from tristream.decode.contrastive import ContrastiveDecoder
from tristream.decode.decoded_places import Place
from tristream.decode.feature_decoder import FeatureDecoder, average_showings

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Decoder = FeatureDecoder | ContrastiveDecoder | BandedFeatureDecoder | BetterDecoder
Fold = tuple[Bools, Bools, int]
"""Training and tested presentations, and how many were left out of training."""


@dataclass
class Decoded:
    """Predictions of the items of one set, summed over fits as these are made."""

    items: list[str]
    total: Floats
    showings: npt.NDArray[np.integer]

    @property
    def predicted(self) -> Floats:
        """Mean over the showings of each item."""
        return self.total / self.showings[:, None]


@dataclass(frozen=True)
class Chosen:
    """What one fit of the better of two decoders chose.

    Attributes
    ----------
    banded, units : int
        Units that took banded ridge regression, of all.
    groups : int
        Groups of training runs, of which each was left out for the choice.
    folds, weightings, penalties : int
        Of banded ridge regression on all training runs: groups of runs, and what was tried.
    """

    banded: int
    units: int
    groups: int
    folds: int
    weightings: int
    penalties: int

    @classmethod
    def of(cls, decoder: BetterDecoder) -> "Chosen":
        """Read it off the decoder."""
        own = decoder.banded_decoder_
        return cls(
            int(decoder.banded_.sum()),
            len(decoder.banded_),
            decoder.groups_,
            own.folds_,
            own.weightings_,
            len(own.alphas),
        )


@dataclass
class Fits:
    """What is told of fits: best epochs of networks, and choices between decoders."""

    epochs: list[int] = field(default_factory=list)
    chosen: list[Chosen] = field(default_factory=list)

    def note(self, decoder: Decoder) -> None:
        """Take down what a fitted decoder has to tell."""
        if isinstance(decoder, ContrastiveDecoder):
            self.epochs += [member.epoch for member in decoder.members_]
        if isinstance(decoder, BetterDecoder):
            self.chosen.append(Chosen.of(decoder))


def ways_of(place: Place, design: IdentificationDesign) -> tuple[str, ...]:
    """Decoders of a place, by the names that the tables have."""
    networks = ("contrastive",) if design.contrastive else ()
    return ("ridge", *(("banded", "better") if place.bands else ()), *networks)


def decoder_of(name: str, place: Place, design: IdentificationDesign, device: str) -> Decoder:
    """An estimator that has seen nothing yet."""
    if name == "contrastive":
        assert design.contrastive is not None
        options = design.contrastive.model_dump()
        return ContrastiveDecoder(**options, device=device, seed=design.seed)
    plain = FeatureDecoder(voxels=design.voxels, alpha=design.alpha, device=device, progress=True)
    if name == "ridge":
        return plain
    banded = BandedFeatureDecoder(place.bands, seed=design.seed, device=device, progress=True)
    return banded if name == "banded" else BetterDecoder(plain, banded)


def folds_of(
    split: npt.NDArray[Any], run: npt.NDArray[Any], names: npt.NDArray[Any]
) -> Iterator[Fold]:
    """Training and tested presentations, and how many were left out of training."""
    if "each" in split:
        tested = [run == one for one in dict.fromkeys(run.tolist())]
        if len(tested) < 2:
            raise ValueError(f"only one run ({run[0]}): leave-one-run-out needs two at least")
        pairs = [((split == "each") & ~test, test) for test in tested]
    else:
        pairs = [(split == "train", split != "train")]
    for train, test in pairs:
        known = train & np.isin(names, names[test])
        if not (train & ~known).any():
            held = "a run is held out" if "each" in split else "the test runs are held out"
            raise ValueError(
                f"every item is also shown where {held}: none is left to train on that is not "
                "tested; decode labels instead (decoders)"
            )
        if not test.any():
            raise ValueError("no held-out run shows an item")
        yield train & ~known, test, int(known.sum())


def rows_of(
    names: npt.NDArray[Any], split: npt.NDArray[Any], run: npt.NDArray[Any], candidates: str
) -> npt.NDArray[Any]:
    """Name of what each presentation is averaged into: an item.

    Runs that are left out in turn are tested by themselves, as the items of the others trained the
    decoder: an item that several of them show is then one in each.
    """
    if candidates == "trained":
        return names
    in_run = np.char.add(np.char.add(run.astype(str), "/"), names.astype(str))
    return np.where(split == "each", in_run, names)


def decode_items(
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    rows: npt.NDArray[Any],
    folds: Sequence[Fold],
    split: npt.NDArray[Any],
    run: npt.NDArray[Any],
    make: Callable[[], Decoder],
    fits: Fits,
) -> dict[str, Decoded]:
    """Predictions for the seen and the imagined items; `fits` takes down what is told of fits."""
    kinds = {kind: of_kind(kind, split) for kind in ("seen", "imagined")}
    out = {}
    for kind, own in kinds.items():
        if own.any():
            items, showings = np.unique(rows[own], return_counts=True)
            total = np.zeros((len(items), y.shape[1]))
            out[kind] = Decoded(items.tolist(), total, showings)
    for train, test, _ in folds:
        decoder = make().fit(x[train], y[train], runs=run[train])
        fits.note(decoder)
        for kind, decoded in out.items():
            mine = kinds[kind] & test
            if mine.any():
                # Of a linear decoder the prediction of a mean is the mean of predictions; a network
                # is given the mean, which is less noisy.
                means, shown = average_showings(x[mine], rows[mine].tolist())
                places = np.searchsorted(decoded.items, shown)
                count = np.unique(rows[mine], return_counts=True)[1]
                for part, predicted in decoder.predict_units(means):
                    decoded.total[places, part] += count[:, None] * predicted
    return out


def of_kind(kind: str, split: npt.NDArray[Any]) -> Bools:
    """Which presentations are of items that are `seen` in the test, or `imagined`."""
    return np.isin(split, ["imagined"] if kind == "imagined" else ["test", "each"])
