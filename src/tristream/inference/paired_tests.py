"""Tests of two models that predicted the same data: neither is expected to predict better.

The null hypothesis is not that the models hold nothing, since both may well predict what they
share. A model that is worse because it has more features without use *is* worse in this sense.
Each exchangeable unit (:mod:`tristream.align.exchange`) has a part in the difference of the
correlations, and under the null hypothesis its part may as well have the other sign: signs are
flipped unit by unit, all voxels alike, an item's showings together.

Test data that were held out have no part in the fit, and the part of a unit is the sum over its
samples of the product of the data with the difference of the (normed) predictions. What is compared
are the models as they were fitted. Under leave-one-run-out a unit has its part as training data,
too (:mod:`tristream.encode.unit_parts`), to first order: how often true nulls pass was measured
(docs/calibration.md). Where units of one run share noise, the null is widened
(:mod:`tristream.inference.sign_widening`).

Eleven units have 1,024 patterns of signs (one and its opposite are the same). Of fewer units that
were held out, the features change places, as in the test of one model
(:mod:`tristream.inference.moved_features`), and both models predict again; of blocks of time the
parts of the difference do. The null hypothesis of these tests is narrower, and the file states it:
the difference of the predictions has nothing to do with the data.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tristream.align.exchange import FEWEST_DISTINCT, Exchange, Unit
from tristream.encode.encoding_file import Encoding
from tristream.inference import wording
from tristream.inference.comparison_file import ComparedModels
from tristream.inference.moved_differences import (
    DifferencesOfNulls,
    MovedDifferences,
    MovedMeans,
)
from tristream.inference.permutation import PredictedRun, exchange_of_runs, unit_length
from tristream.inference.procedures import Procedure, register
from tristream.inference.region_means import Mask, region_means
from tristream.inference.resolution import Null
from tristream.inference.sign_flips import SignFlips, patterns
from tristream.inference.sign_widening import sign_widening
from tristream.inference.tested_runs import (
    NESTED,
    RIDGE,
    TIME,
    answers_reach_on,
    features_can_move,
    run_of,
    widened_runs,
)

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Pair:
    """Two models of one subject that were tested on the same data.

    Attributes
    ----------
    first, second : Encoding
    paths : tuple of Path
        Their files.
    units : tuple of ndarray of int of shape (samples,), one a run
        Unit of each sample, numbered over all runs.
    unit : {'block', 'round', 'item', 'time'}
        What a unit is.
    """

    first: Encoding
    second: Encoding
    paths: tuple[Path, Path]
    units: tuple[Ints, ...]
    unit: Unit

    @property
    def count(self) -> int:
        """Number of units."""
        return 1 + max(int(own.max()) for own in self.units)

    @property
    def recurs(self) -> bool:
        """Whether several runs show the same unit."""
        return recurring(self.units)

    @property
    def runs(self) -> list[PredictedRun]:
        """Test runs, the prediction being the difference of the two, each of length one."""
        return differences(self.first, self.second)

    @property
    def difference(self) -> npt.NDArray[np.float64]:
        """Difference of the correlations, mean over runs, (voxels,)."""
        return difference(self.runs)


@dataclass(frozen=True)
class Done:
    """What a comparison did: the facts of its sentences."""

    compared: ComparedModels
    pair: Pair
    procedure: str


class SignedNull(Null, Protocol):
    """A null of sizes, whose observed values have signs, too."""

    @property
    def signed(self) -> Floats:
        """The difference, (n,)."""


class PairedTest(Procedure[Done]):
    """A test of the difference of two models."""

    hypothesis = (
        "The null hypothesis is that neither model is expected to predict better; both may predict "
        "what they share."
    )
    exactness: tuple[str, ...] = ()
    """A sentence on how far p can be trusted."""

    def distinct(self, pair: Pair) -> int:
        """Distinct rearrangements, the observed one included."""
        return patterns(pair.count, 2)

    def refusal(self, pair: Pair) -> str:
        """Why there are no p values; empty where there are."""
        if (distinct := self.distinct(pair)) >= FEWEST_DISTINCT:
            return ""
        return wording.too_few_signs(pair.count, distinct, pair.unit)

    @abstractmethod
    def nulls(
        self, pair: Pair, regions: Mapping[str, Mask], seed: int
    ) -> tuple[SignedNull, SignedNull, float]:
        """The null of voxels, that of the means over regions, and how much wider they were made."""

    def widened(self, done: Done) -> list[str]:
        """That the null was made wider, and why."""
        return wording.signs_widened(done.compared.widening)

    @abstractmethod
    def moved(self, done: Done) -> str:
        """What was rearranged, and how often: the end of a sentence."""

    def methods(self, done: Done) -> tuple[str, ...]:
        """What was compared, how the null arose, which corrections were made."""
        compared, runs = done.compared, len(done.pair.units)
        over = f", mean over {runs} test runs" if runs > 1 else ""
        found = compared.found
        regions = len(found.regions) - 1 if found else 0
        corrected = wording.rate(done.procedure, compared.fdr, "all voxels")
        by_region = (
            [
                "The mean difference over the voxels of each region of the Harvard-Oxford atlas "
                "[@desikan2006] was tested by the same rearrangements and corrected over regions."
            ]
            if regions
            else []
        )
        return (
            f"Models {compared.first} and {compared.second} were compared on the same test data "
            f"by the difference of their test correlations{over}, two-sided, by "
            f"{self.moved(done)}, all voxels alike.",
            self.hypothesis,
            wording.p_value(sides=2),
            *self.exactness,
            *wording.went_on(compared),
            *self.widened(done),
            f"{corrected}, and for the family-wise error by comparing each voxel with the largest "
            "of each rearrangement [@nichols2002].",
            *wording.alone(compared),
            *by_region,
            wording.made(len(compared.ijk), regions),
        )

    def _flipped(self, done: Done, of: str) -> str:
        compared, pair = done.compared, done.pair
        moves = exchange_of_runs(pair.runs, pair.unit)
        what = wording.units(pair.unit, moves, float(pair.first.about["tr"]))
        number = wording.drawn(compared.n_permutations, compared.n_distinct, "patterns of signs")
        return f"flipping the sign of the difference{of} in each of {pair.count} {what} ({number})"


@register
class FlippedSigns(PairedTest):
    """Test data that were held out: a unit's part is what its samples add to the difference."""

    null = "signs of the difference flipped unit by unit"

    def nulls(
        self, pair: Pair, regions: Mapping[str, Mask], seed: int
    ) -> tuple[SignedNull, SignedNull, float]:
        """Sums over the samples of each unit."""
        wider = sign_widening(pair.runs, pair.units, pair.unit)
        parts = parts_of_units(pair.runs, pair.units, pair.count)
        means = region_means(parts, regions)
        voxels, by_region = (SignFlips(p, np.full(p.shape[1], wider), seed) for p in (parts, means))
        return voxels, by_region, wider

    def moved(self, done: Done) -> str:
        """Signs of units."""
        return self._flipped(done, "")


@register
class FlippedInBothRoles(PairedTest):
    """Leave-one-run-out: a unit's part is what it adds as test data and as training data."""

    null = "signs of the difference flipped unit by unit, in test and training data"
    exactness = (
        "These p values are approximate: in simulations p was at most .05 in 1 to 5 % of voxels "
        "where neither model predicted anything, and in 2 to 5 % where both predicted equally "
        "well and every run showed the same few labels.",
    )

    def refusal(self, pair: Pair) -> str:
        """Written for one kind of model."""
        for model in (pair.first, pair.second):
            if (kind := model.about.get("model_kind", RIDGE)) != RIDGE:
                return (
                    f"under {NESTED} test data are training data of other folds, and what they "
                    f"add is known for {RIDGE} alone; {model.about['model']} is {kind}"
                )
        return super().refusal(pair)

    def nulls(
        self, pair: Pair, regions: Mapping[str, Mask], seed: int
    ) -> tuple[SignedNull, SignedNull, float]:
        """Parts in both roles; the variance that belongs to pairs of units counts once.

        Not of items that several runs show, which each fold has in training and test data: with
        less than all their variance, too many true nulls passed (docs/calibration.md).
        """
        # Not above: it brings torch, which the other test does without.
        from tristream.encode.unit_parts import width
        from tristream.inference.fold_parts import parts_of_pair

        wider = sign_widening(pair.runs, pair.units, pair.unit, distant=False)
        total = parts_of_pair(pair.first, pair.second, pair.paths, pair.units, seed)
        parts = total.summing_to(pair.difference)
        means, of_pairs = region_means(parts, regions), region_means(total.pairs, regions)
        # Without pairs nothing is subtracted.
        counted = float(not pair.recurs)
        return (
            SignFlips(parts, wider * width(parts, counted * total.pairs), seed),
            SignFlips(means, wider * width(means, counted * of_pairs), seed),
            wider,
        )

    def moved(self, done: Done) -> str:
        """Signs of units in both roles."""
        return self._flipped(
            done,
            " (what a unit adds as test data, and as training data of the other folds "
            "[@efron1981])",
        )


@register
class BlocksOfDifference(PairedTest):
    """Too few units for signs: the difference has nothing to do with the data."""

    null = "blocks of the difference of predictions permuted within the test run"
    hypothesis = (
        "The null hypothesis is that the difference of the predictions has nothing to do with the "
        "data: units were too few for signs, which ask whether one model is expected to predict "
        "better."
    )

    def moves(self, pair: Pair) -> Exchange:
        """What changes places."""
        return exchange_of_runs(pair.runs, pair.unit)

    def distinct(self, pair: Pair) -> int:
        """Orders of the units."""
        return self.moves(pair).distinct

    def refusal(self, pair: Pair) -> str:
        """Too few orders."""
        moves = self.moves(pair)
        return "" if moves.distinct >= FEWEST_DISTINCT else wording.too_few(moves, pair.unit)

    def nulls(
        self, pair: Pair, regions: Mapping[str, Mask], seed: int
    ) -> tuple[SignedNull, SignedNull, float]:
        """Orders of the units of the difference."""
        moves = self.moves(pair)
        runs = widened_runs(pair.runs, moves, pair.unit)
        voxels = MovedDifferences(runs, moves, seed)
        return voxels, MovedMeans(voxels, regions), max(run.widening for run in runs)

    def widened(self, done: Done) -> list[str]:
        """As of an encoder."""
        why = wording.CUT + wording.projected(done.pair.runs)
        return wording.widened([done.compared.widening], why)

    def moved(self, done: Done) -> str:
        """Units of the difference."""
        return (
            f"permuting {self._what(done, 'of the difference of the predictions ')} "
            f"({self._number(done)})"
        )

    def _what(self, done: Done, of: str = "") -> str:
        """Which units, and what they change places with."""
        pair = done.pair
        moves = self.moves(pair)
        what = wording.units(pair.unit, moves, float(pair.first.about["tr"]))
        return f"{what} {of}within {wording.within(pair.units)}{wording.alike(moves)}"

    def _number(self, done: Done) -> str:
        return wording.drawn(done.compared.n_permutations, done.compared.n_distinct)


@register
class FeaturesOfBoth(BlocksOfDifference):
    """Too few items or blocks for signs: what was shown changes places for both models.

    Pieces of the difference, moved as those of a film, take along the end of the answer to the item
    before and lose what neighbours share: of eight items that touch, .117 of true nulls passed at
    .05 (docs/calibration.md).
    """

    null = "features of units exchanged within the test run, both models predict again"
    hypothesis = (
        "The null hypothesis is that the difference of the predictions has nothing to do with what "
        "was shown when: units were too few for signs, which ask whether one model is expected to "
        "predict better."
    )

    def moves(self, pair: Pair) -> Exchange:
        """Of all volumes."""
        # Not above: it brings torch, which tests of signs do without.
        from tristream.inference.moved_features import exchange_of_items

        return exchange_of_items([*pair.first.tests.values()], pair.unit)

    def refusal(self, pair: Pair) -> str:
        """Written for linear kernels."""
        for model in (pair.first, pair.second):
            if not features_can_move(model):
                return (
                    f"{pair.count} units are too few for signs, and what {model.about['model']} "
                    "would predict of other orders is known for linear kernels alone"
                )
        return super().refusal(pair)

    def nulls(
        self, pair: Pair, regions: Mapping[str, Mask], seed: int
    ) -> tuple[SignedNull, SignedNull, float]:
        """Both models' correlations under the same orders, run by run."""
        # Not above: as in `moves`.
        from tristream.encode.tap_predictions import tap_predictions
        from tristream.inference.moved_features import MovedFeatures

        moves, models = self.moves(pair), (pair.first, pair.second)
        taps = [tap_predictions(*own) for own in zip(models, pair.paths, strict=True)]
        one, other = (
            [
                MovedFeatures([run_of(test)], [tap], moves.part(k, k + 1), seed)
                for k, (test, tap) in enumerate(zip(model.tests.values(), own, strict=True))
            ]
            for model, own in zip(models, taps, strict=True)
        )
        voxels = DifferencesOfNulls(list(zip(one, other, strict=True)), moves)
        return voxels, MovedMeans(voxels, regions), 1.0

    def moved(self, done: Done) -> str:
        """Features of units, and what stayed."""
        return (
            f"exchanging the features of {self._what(done)} and predicting again by both models, "
            f"times and weights as they were ({self._number(done)})"
        )


def chosen_test(pair: Pair) -> PairedTest:
    """The test that the scheme and the number of units allow."""
    if pair.first.about["scheme"] == NESTED:
        return FlippedInBothRoles()
    if patterns(pair.count, 2) >= FEWEST_DISTINCT:
        return FlippedSigns()
    models = (pair.first, pair.second)
    if pair.unit == TIME:
        return BlocksOfDifference()
    if all(map(features_can_move, models)) or any(map(answers_reach_on, models)):
        return FeaturesOfBoth()
    # Single trials hold no answer to the one before.
    return BlocksOfDifference()


def differences(
    one: Encoding, other: Encoding, names: Sequence[str] | None = None
) -> list[PredictedRun]:
    """Test runs, all if not named, whose prediction is the first model's less the second's, each of
    length one."""
    return [
        PredictedRun(
            a.y,
            unit_length(a.prediction) - unit_length(other.tests[name].prediction),
            a.unit,
            projection=a.projection,
            item=a.item,
            shows=a.shows,
        )
        for name, a in ((name, one.tests[name]) for name in names or one.tests)
    ]


def difference(runs: Sequence[PredictedRun]) -> npt.NDArray[np.float64]:
    """Difference of the correlations, mean over such runs, (voxels,)."""
    return np.mean([(unit_length(run.y) * run.prediction).sum(0) for run in runs], axis=0)


def recurring(units: Sequence[Ints]) -> bool:
    """Whether several runs show the same unit.

    Then nothing is subtracted for pairs of units, see :class:`FlippedInBothRoles`.
    """
    shown = [np.unique(own) for own in units]
    return sum(map(len, shown)) > len(np.unique(np.concatenate(shown)))


def parts_of_units(runs: Sequence[PredictedRun], units: Sequence[Ints], count: int) -> Floats:
    """What each unit's samples add to the difference, (count, voxels).

    Parameters
    ----------
    runs : sequence of PredictedRun
        Of :func:`differences`.
    units : sequence of ndarray of int of shape (samples,), one a run
        Unit of each sample.
    count : int
        How many units there are; those that no run shows add nothing.
    """
    parts = np.zeros((count, runs[0].y.shape[1]))
    for run, own in zip(runs, units, strict=True):
        np.add.at(parts, own, unit_length(run.y) * run.prediction / len(runs))
    return parts
