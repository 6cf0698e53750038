"""What a design can show, over effect sizes, training runs, repeats and subjects."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.bold.cleaning import shared_projection
from tristream.config.power import Power
from tristream.config.settings.power import PowerSettings
from tristream.encode.prediction_scores import fisher_z
from tristream.errors import UserError
from tristream.inference import wording
from tristream.inference.moved_features import MovedFeatures, exchange_of_items
from tristream.inference.moved_predictions import MovedPredictions
from tristream.inference.people import sign_flip
from tristream.inference.permutation import PredictedRun, exchange_of_runs
from tristream.inference.resolution import Resolution, Resolved, resolve
from tristream.inference.tested_runs import TIME, widened_runs
from tristream.power.decoder import UNKNOWN, TrialRun, decode_trials
from tristream.power.design import Design, DesignRun
from tristream.power.encoder import Fitted, fit_encoder, held_out
from tristream.power.many_voxels import ManyVoxels
from tristream.power.voxel_responses import Responses

Floats = npt.NDArray[np.floating]
LEVEL = 0.05
FOUND = ("r", "power", "false", "false_p", "discoveries", "accuracy", "chance", "p")


@dataclass
class Grid:
    """All that was found, each (effects, runs, repeats, realisations) unless stated otherwise.

    Attributes
    ----------
    effects, runs, repeats, subjects : list
        Ceiling r of one run, 0 first; training runs; times as often as given; group sizes.
    r, power : ndarray
        Mean test correlation of driven voxels; share of them that is significant.
    false, false_p : ndarray
        Share of simulated voxels without signal that is significant after FDR, and at p ≤ .05
        without.
    discoveries : ndarray
        Share of what is significant among all voxels that has no signal; 0 where nothing is.
    accuracy, chance, p : ndarray
        Of the decoder.
    group_power, group_false : ndarray of shape (effects, runs, repeats, subjects, realisations)
        As `power` and `false`, of the group test.
    realisations, silent, driven : int
        Simulated subjects, and simulated voxels of each without and with signal.
    solver : str
        Of the encoder.
    distinct : int
        Arrangements of the test blocks.
    widened : bool
        Whether a null had to be made wider.
    """

    effects: list[float]
    runs: list[int]
    repeats: list[int]
    subjects: list[int]
    realisations: int
    silent: int
    driven: int
    solver: str = ""
    distinct: int = 0
    widened: bool = False
    r: Floats = field(init=False)
    power: Floats = field(init=False)
    false: Floats = field(init=False)
    false_p: Floats = field(init=False)
    discoveries: Floats = field(init=False)
    accuracy: Floats = field(init=False)
    chance: Floats = field(init=False)
    p: Floats = field(init=False)
    group_power: Floats = field(init=False)
    group_false: Floats = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.effects), len(self.runs), len(self.repeats))
        for name in FOUND:
            setattr(self, name, np.full((*shape, self.realisations), np.nan))
        for name in ("group_power", "group_false"):
            setattr(self, name, np.full((*shape, len(self.subjects), self.realisations), np.nan))

    @property
    def found(self) -> tuple[str, ...]:
        """Names of what holds a number for each realisation."""
        return FOUND

    @classmethod
    def of(cls, block: Power, training_runs: int) -> "Grid":
        """The points that a block asks for, and an effect of 0; nothing is found yet."""
        return cls(
            effects=[0.0, *block.effects],
            runs=sorted({max(2, round(times * training_runs)) for times in block.runs}),
            repeats=list(block.repeats),
            subjects=list(block.subjects),
            realisations=block.realisations,
            silent=block.simulated_voxels[0],
            driven=block.simulated_voxels[1],
        )


@dataclass
class _Shown:
    """BOLD of the showings of one run: scored volumes, and trials; made once."""

    bold: list[Floats] = field(default_factory=list)
    trials: list[Floats] = field(default_factory=list)


class Analysis:
    """The whole analysis of one design.

    Parameters
    ----------
    design : Design
    settings : PowerSettings
        Its block, and the study's test: permutations, false discovery rate and procedure.

    Raises
    ------
    UserError
        If the test runs have too few blocks to be permuted.
    """

    def __init__(self, design: Design, settings: PowerSettings) -> None:
        block = settings.block
        self._design, self._block, self._test = design, block, settings
        self.grid = Grid.of(block, len(design.train))
        self._responses = Responses(design, block, self.grid.effects)
        self._many = ManyVoxels(
            block.voxels, block.driven_voxels, settings.fdr, settings.procedure, block.seed
        )
        runs = [*design.train, *(run for group in design.test for run in group)]
        self._trials: Mapping[str, TrialRun] = (
            {run.name: TrialRun.of(run, design.tr, block.shift) for run in runs}
            if design.labels
            else {}
        )
        self._check_permutations()

    def _check_permutations(self) -> None:
        runs = [group[0] for group in self._design.test]
        none, unit = np.zeros((0, 0)), self._design.unit
        self._moves = (
            exchange_of_runs([PredictedRun(none, none, run.unit[run.rows]) for run in runs], unit)
            if unit == TIME
            else exchange_of_items([held_out(run) for run in runs], unit)
        )
        self.grid.distinct = self._moves.distinct
        if self.grid.distinct < FEWEST_DISTINCT:
            raise UserError(
                f"power: of the test runs {wording.too_few(self._moves, self._design.unit)}: a "
                "study of this design gets no p values; plan longer or more test runs, or shorter "
                "blocks"
            )

    def run(self) -> Grid:
        """Simulate, fit, test and decode every point of the grid."""
        cells = len(self.grid.runs) * len(self.grid.repeats)
        steps = cells * (1 + (self._block.realisations if self._trials else 0))
        with tqdm(total=steps, desc="power", unit="step", mininterval=5, file=sys.stderr) as bar:
            tests = self._tests()
            shown: dict[str, _Shown] = {}
            for column, number in enumerate(self.grid.runs):
                chosen = self._training(number, shown)
                fitted = fit_encoder(
                    [run for run, _ in chosen],
                    [shown[run.name].bold[copy] for run, copy in chosen],
                    [group[0] for group in self._design.test],
                    self._block.delays_at(self._design.tr),
                    self._alphas,
                )
                self.grid.solver = fitted.solver
                for place, bold in enumerate(tests):
                    self._encode(column, place, bold, fitted)
                    bar.update()
                    if self._trials:
                        for realisation in range(self._block.realisations):
                            self._decode(column, place, bold, chosen, shown, realisation)
                            bar.update()
        return self.grid

    @property
    def _alphas(self) -> Floats:
        grid = self._block.alphas
        return np.logspace(grid.lowest, grid.highest, grid.number)

    def _training(self, number: int, shown: dict[str, _Shown]) -> list[tuple[DesignRun, int]]:
        """The first `number` training runs, which start again where the design's end."""
        train = self._design.train
        chosen = [(train[index % len(train)], index // len(train)) for index in range(number)]
        for run, copy in chosen:
            known = shown.setdefault(run.name, _Shown())
            if copy == len(known.bold):
                whole = self._responses.bold(run, copy)
                known.bold.append(whole[run.rows])
                if self._trials:
                    known.trials.append(self._trials[run.name].average(whole))
        return chosen

    def _tests(self) -> list[list[Floats]]:
        """Mean BOLD of each test group, shown as often as each of `repeats` says."""
        totals: list[Floats] = [np.zeros(1, np.float32) for _ in self._design.test]
        out: list[list[Floats]] = []
        done = 0
        for times in self.grid.repeats:
            for copy in range(done, times):
                for index, group in enumerate(self._design.test):
                    for run in group:
                        totals[index] = totals[index] + self._responses.bold(run, copy)
            done = times
            shows = [len(group) * times for group in self._design.test]
            out.append([total / n for total, n in zip(totals, shows, strict=True)])
        return out

    def _encode(self, column: int, place: int, bold: Sequence[Floats], fitted: Fitted) -> None:
        """Test all columns at once, and count by realisation and effect."""
        runs = [
            PredictedRun(
                y[group[0].rows],
                predicted,
                group[0].unit[group[0].rows],
                projection=shared_projection([run.projection for run in group], group[0].rows),
                item=group[0].item[group[0].rows],
            )
            for group, y, predicted in zip(self._design.test, bold, fitted.predictions, strict=True)
        ]
        runs = widened_runs(runs, self._moves, self._design.unit)
        self.grid.widened |= any(run.widening > 1 for run in runs)
        plan = Resolution.of(self._test)
        null = self._null(runs, fitted)
        found = resolve(null, plan, of=self._block.voxels)
        columns = self._responses.columns
        for realisation in range(self._block.realisations):
            silent = columns.silent(realisation)
            for row, effect in enumerate(self.grid.effects):
                driven = columns.driven(realisation, effect)
                at = (row, column, place, realisation)
                self._count(at, found, silent, driven)
        for row, effect in enumerate(self.grid.effects):
            self._group(row, column, place, found, columns.effect == effect)

    def _null(self, runs: Sequence[PredictedRun], fitted: Fitted) -> MovedPredictions:
        """As of the workflow: features of labels are exchanged, blocks of time move."""
        seed = self._test.seed
        if self._design.unit == TIME:
            return MovedPredictions(runs, self._moves, seed)
        return MovedFeatures(runs, fitted.taps, self._moves, seed)

    def _count(
        self,
        at: tuple[int, int, int, int],
        found: Resolved,
        silent: npt.NDArray[np.intp],
        driven: npt.NDArray[np.intp],
    ) -> None:
        smallest = 0.0 if found.tail.any() else 1 / (1 + found.most)
        seen = self._many.correct(found.p[silent], found.p[driven], smallest, at)
        self.grid.r[at] = found.observed[driven].mean()
        self.grid.power[at], self.grid.false[at] = seen.power, seen.false
        self.grid.false_p[at] = (found.p[silent] <= LEVEL).mean()
        # At an effect of 0 the voxels called driven are noise too.
        self.grid.discoveries[at] = seen.discoveries if at[0] else float(seen.any)

    def _group(
        self,
        row: int,
        column: int,
        place: int,
        found: Resolved,
        driven: npt.NDArray[np.bool_],
    ) -> None:
        """Draw subjects for each voxel from all simulated ones, and flip their signs."""
        z = fisher_z(found.observed)
        pools = z[np.isnan(self._responses.columns.effect)], z[driven]
        sizes = self.grid.silent, self.grid.driven
        rng = np.random.default_rng([self._block.seed, 3, row, column, place])
        for index, subjects in enumerate(self.grid.subjects):
            for draw in range(self._block.realisations):
                drawn = [
                    rng.choice(pool, (subjects, size))
                    for pool, size in zip(pools, sizes, strict=True)
                ]
                p, _, smallest = sign_flip(
                    np.hstack(drawn), self._test.permutations, self._test.seed
                )
                at = (row, column, place, index, draw)
                seen = self._many.correct(p[: sizes[0]], p[sizes[0] :], smallest, at)
                self.grid.group_power[at], self.grid.group_false[at] = seen.power, seen.false

    def _decode(
        self,
        column: int,
        place: int,
        bold: Sequence[Floats],
        chosen: Sequence[tuple[DesignRun, int]],
        shown: Mapping[str, _Shown],
        realisation: int,
    ) -> None:
        columns = self._responses.columns
        tests = [self._trials[group[0].name] for group in self._design.test]
        averaged = [run.average(y) for run, y in zip(tests, bold, strict=True)]
        for row, effect in enumerate(self.grid.effects):
            own = np.concatenate([columns.silent(realisation), columns.driven(realisation, effect)])
            train = [
                (self._trials[run.name], shown[run.name].trials[copy][:, own])
                for run, copy in chosen
            ]
            test = [(run, y[:, own]) for run, y in zip(tests, averaged, strict=True)]
            seed, rounds = self._block.seed + realisation, self._design.unit == "round"
            found = decode_trials(train, test, self._block.permutations, seed, rounds)
            if found is UNKNOWN:
                return
            at = (row, column, place, realisation)
            self.grid.accuracy[at] = found.accuracy
            self.grid.chance[at], self.grid.p[at] = found.chance, found.p
