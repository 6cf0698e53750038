"""Significance of an encoding model's test predictions; no hyperparameter is searched again."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scipy.stats import false_discovery_control

from tristream.align.exchange import FEWEST_DISTINCT, Exchange
from tristream.config.settings.inference import InferenceSettings
from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.encode.tap_predictions import tap_predictions
from tristream.inference import wording
from tristream.inference.inference_file import (
    KIND,
    Draws,
    Significance,
    SpatialTest,
    TestedModel,
    write_inference,
)
from tristream.inference.moved_features import MovedFeatures, exchange_of_items
from tristream.inference.moved_predictions import MovedPredictions
from tristream.inference.permutation import Moves, PredictedRun, exchange_of_runs, moves_of
from tristream.inference.procedures import Procedure, register
from tristream.inference.resolution import Null, Resolution, Resolved, resolve
from tristream.inference.spatial import spatial_tests
from tristream.inference.tested_runs import (
    NESTED,
    TIME,
    answers_reach_on,
    features_can_move,
    runs_of,
    why_not_refitted,
    widened_runs,
)
from tristream.space.adjacency import adjacency
from tristream.space.mesh_faces import mesh_faces
from tristream.store import Omission, Provenance

FEWEST_SHIFTED = 200
STATISTIC = "correlation of prediction and BOLD, mean over test runs in Fisher z, one-sided"
SHARED = (
    "all with one weight a band and one penalty in all voxels of a fold: the means, by "
    "cross-validated R², of those chosen for single voxels"
)
WITHOUT_P = ("p", "q", "significant", "null_max")


@dataclass(frozen=True)
class Done:
    """What a test did: the facts of its sentences."""

    tested: TestedModel
    runs: Sequence[PredictedRun]
    moves: Moves
    tr: float


class EncodingTest(Procedure[Done]):
    """A test of the predictions of one model.

    Parameters
    ----------
    encoding : Encoding
    path : Path
        Its file, for messages.
    settings : InferenceSettings
    """

    too_narrow = wording.CUT

    def __init__(self, encoding: Encoding, path: Path, settings: InferenceSettings) -> None:
        self.encoding, self.path, self.settings = encoding, path, settings
        self.plain_runs = runs_of(encoding)
        self.moves = moves_of(self.plain_runs, settings.unit, settings.null)

    @property
    def refusal(self) -> str:
        """Why there are no p values; empty where there are."""
        if self.moves.distinct >= FEWEST_DISTINCT:
            return ""
        # Of shifts there are too few only where there are too few volumes.
        unit, moves = self.settings.unit, self.moves
        units = moves if isinstance(moves, Exchange) else exchange_of_runs(self.plain_runs, unit)
        return wording.too_few(units, unit)

    def rearranged(self, runs: Sequence[PredictedRun]) -> Null:
        """The null of the runs, which is as wide as it should be."""
        return MovedPredictions(runs, self.moves, self.settings.seed)

    @property
    def caution(self) -> tuple[str, ...]:
        """Sentences on how far the test can be trusted."""
        return ()

    @abstractmethod
    def moved(self, done: Done) -> str:
        """What was rearranged, and how often: the end of a sentence."""

    def methods(self, done: Done) -> tuple[str, ...]:
        """What was tested, how the null arose, which corrections were made."""
        tested, number = done.tested, len(done.runs)
        over = f"as a mean over {number} test runs in Fisher z, " if number > 1 else ""
        return (
            "The correlation of prediction and BOLD in data that were not used for fitting was "
            f"tested voxel by voxel, {over}one-sided, by {self.moved(done)}, all voxels alike.",
            wording.p_value(),
            *wording.went_on(tested),
            *wording.widened(tested.widening, self.too_narrow + wording.projected(done.runs)),
            *self.caution,
            f"{wording.rate(tested.procedure, tested.fdr, 'all voxels')}, and for the family-wise "
            "error by comparing each voxel with the largest of each rearrangement [@nichols2002].",
            *wording.alone(tested),
            *wording.extended(tested, self.settings.cluster_z),
        )


@register
class BlocksOfPrediction(EncodingTest):
    """Whole units of the held-out prediction change places within their run."""

    null = "blocks of the prediction permuted within the test run, the model fixed"

    @property
    def caution(self) -> tuple[str, ...]:
        """Of items and blocks, whose features can't be exchanged."""
        if self.settings.unit == TIME or not answers_reach_on(self.encoding):
            return ()
        return (
            "As the model is not linear, parts of its prediction were moved in place of features; "
            "each begins with the end of the predicted response to what was shown before, so that "
            "p values are approximate (in simulations of linear models 8 to 11 % of voxels without "
            "effect had p at most .05).",
        )

    def moved(self, done: Done) -> str:
        """Blocks of the prediction."""
        what = wording.units(done.tested.unit, done.moves, done.tr)
        number = wording.drawn(done.tested.n_permutations, done.tested.n_distinct)
        return (
            f"permuting {what} of the prediction within {wording.within(done.runs)}"
            f"{wording.alike(done.moves)}, the model fixed ({number})"
        )


@register
class FeaturesOfUnits(EncodingTest):
    """What was shown changes places, and the held-out response to it is predicted again."""

    null = "features of units exchanged within the test run, times and model fixed"

    def __init__(self, encoding: Encoding, path: Path, settings: InferenceSettings) -> None:
        super().__init__(encoding, path, settings)
        self.moves: Exchange = exchange_of_items([*encoding.tests.values()], settings.unit)

    def rearranged(self, runs: Sequence[PredictedRun]) -> Null:
        """Predictions of moved features."""
        taps = tap_predictions(self.encoding, self.path)
        return MovedFeatures(runs, taps, self.moves, self.settings.seed)

    def moved(self, done: Done) -> str:
        """Features of units, and what stayed."""
        what = wording.units(done.tested.unit, done.moves, done.tr)
        number = wording.drawn(done.tested.n_permutations, done.tested.n_distinct)
        return (
            f"exchanging the features of {what} within {wording.within(done.runs)}"
            f"{wording.alike(done.moves)} and predicting again, times and weights as they were "
            f"({number})"
        )


@register
class ShiftedPrediction(EncodingTest):
    """The whole prediction of a film moves in a circle."""

    null = "prediction shifted in a circle within the test run, the model fixed"
    too_narrow = wording.SEAM

    @property
    def refusal(self) -> str:
        """Shifts are for the held-out test runs of films, if long enough."""
        if self.encoding.about["scheme"] == NESTED:
            return f"null: shift is for held-out test runs; {NESTED} permutes blocks"
        if self.settings.unit != TIME:
            return f"null: shift is for films; the exchangeable unit here is {self.settings.unit}"
        volumes = sum(len(run.unit) for run in self.plain_runs)
        if volumes < FEWEST_SHIFTED:
            return f"{volumes} test volumes: a circular shift needs {FEWEST_SHIFTED}"
        return ""

    def moved(self, done: Done) -> str:
        """All shifts once, or some at random."""
        used, distinct = done.tested.n_permutations, done.tested.n_distinct
        number = wording.drawn(used, distinct, "shifts")
        if len(done.runs) == 1 and used == distinct - 1:
            number = f"each of the {used:,} shifts once"
        return (
            f"shifting the prediction in a circle within {wording.within(done.runs)}, the model "
            f"fixed ({number})"
        )


@register
class RefittedFolds(EncodingTest):
    """Blocks of the data change places, and every fold of leave-one-run-out is fitted again."""

    null = "blocks of data permuted within runs, all folds refitted, hyperparameters of all"

    def __init__(self, encoding: Encoding, path: Path, settings: InferenceSettings) -> None:
        super().__init__(encoding, path, settings)
        self.moves: Exchange = exchange_of_runs(self.plain_runs, settings.unit)

    @property
    def refusal(self) -> str:
        """Where folds can't be fitted again, or there are too few samples or rearrangements."""
        why = why_not_refitted(self.encoding, self.moves, self.settings.unit)
        return why or super().refusal

    def rearranged(self, runs: Sequence[PredictedRun]) -> Null:
        """Refit; the runs give the widening alone."""
        # Not above: it brings the solvers, which the other tests do without.
        from tristream.inference.refit import refit_null

        wider = dict(zip(self.encoding.tests, (run.widening for run in runs), strict=True))
        permutations, seed = self.settings.permutations, self.settings.seed
        return refit_null(self.encoding, self.path, self.moves, permutations, seed, wider)

    def moved(self, done: Done) -> str:
        """Blocks of the data, and what was fitted again."""
        what = wording.units(done.tested.unit, done.moves, done.tr)
        number = wording.drawn(done.tested.n_permutations, done.tested.n_distinct)
        where = wording.within(done.runs, "run") + wording.alike(done.moves)
        return (
            f"permuting {what} of the BOLD within {where} and fitting every fold of {NESTED} again "
            f"to the permuted data ({number}), {SHARED}"
        )


@register
class RefittedFeatures(FeaturesOfUnits):
    """What was shown changes places, and every fold of leave-one-run-out is fitted again."""

    null = "features of units exchanged within runs, all folds refitted, hyperparameters of all"

    def rearranged(self, runs: Sequence[PredictedRun]) -> Null:
        """Refit."""
        # Not above: it brings the solvers, which the other tests do without.
        from tristream.inference.refit_features import refitted_features

        number, seed = self.settings.permutations, self.settings.seed
        return refitted_features(self.encoding, self.path, self.moves, number, seed)

    def moved(self, done: Done) -> str:
        """Features of units, and what was fitted again."""
        what = wording.units(done.tested.unit, done.moves, done.tr)
        number = wording.drawn(done.tested.n_permutations, done.tested.n_distinct)
        where = wording.within(done.runs, "run") + wording.alike(done.moves)
        return (
            f"exchanging the features of {what} within {where}, times and BOLD as they were, and "
            f"fitting every fold of {NESTED} again ({number}), {SHARED}"
        )


def infer_encoding(
    encoding: Path,
    settings: InferenceSettings,
    output: Path,
    code: str = "",
    meshes: Path | None = None,
) -> TestedModel:
    """Write p and q values, or the reason why there are none.

    With fewer than 1,000 distinct permutations no p value is written: the smallest attainable
    one, and the steps between, would be an accident of the design. Features of items and blocks
    change places, and are predicted again (see :mod:`tristream.inference.moved_features`); of films
    and of models that are not linear, blocks of the stored predictions do. Under leave-one-run-out,
    where every run is training data too, all folds are fitted again (see
    :mod:`tristream.inference.refit_features`, :mod:`tristream.inference.refit`). The null of a film
    is widened (see :mod:`tristream.inference.widening`). Voxels get as many permutations as they
    need (see :mod:`tristream.inference.resolution`).

    Parameters
    ----------
    encoding : Path
        A fitted and tested model.
    settings : InferenceSettings
        What is exchangeable, number of permutations, false discovery rate, seed.
    output : Path
        The file to write.
    code : str
        Fingerprint for the provenance.
    meshes : Path, optional
        Receipt of the meshes of fsLR, for clusters of vertices.
    """
    fitted, fit = read_encoding(encoding, whole=False)
    fitted = fitted.in_memory()
    test = test_of(fitted, encoding, settings)
    tested = _plan(test, settings)
    if why := test.refusal:
        omitted = tuple(Omission(what, why) for what in WITHOUT_P)
        methods: tuple[str, ...] = (wording.refused(why),)
    else:
        runs = widened_runs(test.plain_runs, test.moves, settings.unit)
        null = test.rearranged(runs)
        plan = Resolution.of(settings)
        result = resolve(null, plan)
        spatial, omitted = _spatial(fitted, null, len(result.null_max), settings, meshes)
        tested = _found(tested, result, runs, spatial)
        methods = test.methods(Done(tested, runs, test.moves, float(fitted.about["tr"])))
    provenance = Provenance(KIND, fit.simulated, settings.key(), code, omitted, methods)
    write_inference(output, tested, provenance)
    return tested


def test_of(encoding: Encoding, path: Path, settings: InferenceSettings) -> EncodingTest:
    """The test that the scheme and the settings ask for."""
    if settings.null == "shift":
        return ShiftedPrediction(encoding, path, settings)
    nested = encoding.about["scheme"] == NESTED
    kind: type[EncodingTest] = RefittedFolds if nested else BlocksOfPrediction
    if settings.unit != TIME and features_can_move(encoding):
        kind = RefittedFeatures if nested else FeaturesOfUnits
    return kind(encoding, path, settings)


def _plan(test: EncodingTest, settings: InferenceSettings) -> TestedModel:
    """How the model is tested; nothing is found yet."""
    return TestedModel(
        statistic=STATISTIC,
        null=test.null,
        unit=settings.unit,
        n_distinct=test.moves.distinct,
        n_permutations=0,
        seed=settings.seed,
        fdr=settings.fdr,
        procedure=settings.procedure,
    )


def _found(
    planned: TestedModel,
    result: Resolved,
    runs: Sequence[PredictedRun],
    spatial: dict[str, SpatialTest],
) -> TestedModel:
    q = {way: false_discovery_control(result.p, method=way) for way in ("bh", "by")}
    found = Significance(
        observed=result.observed,
        p=result.p,
        p_fwe=result.p_fwe,
        q=q["bh"],
        q_by=q["by"],
        significant=q[planned.procedure] <= planned.fdr,
        null_max=result.null_max,
    )
    return replace(
        planned,
        n_permutations=len(result.null_max),
        widening=tuple(run.widening for run in runs),
        found=found,
        draws=Draws.of(result),
        spatial=spatial,
    )


def _spatial(
    encoding: Encoding,
    null: Null,
    permutations: int,
    settings: InferenceSettings,
    meshes: Path | None,
) -> tuple[dict[str, SpatialTest], tuple[Omission, ...]]:
    """Tests of what extends in space, and why there are none."""
    where = encoding.grayordinates
    faces = mesh_faces(where.vertices, meshes) if where is not None and settings.spatial else {}
    if where is not None and where.on_mesh.any() and not faces:
        why = "the meshes of fsLR were not given (--meshes)"
        return {}, tuple(Omission(what, why) for what in settings.spatial)
    if not settings.spatial:
        return {}, ()
    touch = adjacency(encoding.ijk, where, faces)
    return spatial_tests(null, permutations, touch, settings.spatial, settings.cluster_z), ()
