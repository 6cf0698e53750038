"""Lengths of rearranged predictions against predicting again; what dividing by them is worth."""

from dataclasses import replace

import numpy as np

from helpers.inference_settings import planning
from helpers.power_designs import block, write_events
from tristream.bold.cleaning import project_out
from tristream.inference import rearranged_lengths
from tristream.inference.moved_features import MovedFeatures, exchange_of_items
from tristream.inference.rearranged_lengths import RearrangedLengths, spaced
from tristream.power.design import read_design
from tristream.power.detection import Analysis


class Case:
    """The last test of a power analysis."""

    def __init__(self, folder, monkeypatch, **changes):
        settings = block(write_events(folder), **changes)
        self.analysis = Analysis(read_design("x", settings), planning(settings, permutations=100))

        def kept(own, runs, fitted):
            self.runs, self.taps = runs, fitted.taps
            self.moves = exchange_of_items([tap.test for tap in fitted.taps], "block")
            return MovedFeatures(runs, fitted.taps, self.moves)

        monkeypatch.setattr(Analysis, "_null", kept)
        self.analysis.run()

    def lengths(self):
        sets = self.moves.sets
        return lengths_of(self.taps[0], self.runs[0].prediction, sets)


def lengths_of(tap, prediction, sets):
    """Of the first run."""
    weights = tap.weights(spaced(prediction.shape[1]))
    return RearrangedLengths(tap, weights, prediction, sets, 0)


def predicted(tap, order):
    """A run of presentations in another order, (samples, voxels)."""
    shown = tap.of_presentations(tap.weights(np.arange(tap.dual.shape[-1])))
    return delayed(tap, tap.presented @ shown[:, [*order, len(order)]])


def predicted_by_volumes(tap, order, one):
    """The same of features that change from volume to volume."""
    values = tap.of_volumes(tap.weights(np.arange(tap.dual.shape[-1])))
    moved = values.copy()
    for place, unit in enumerate(order):
        own, sources = one.filled(0, place)
        moved[:, tap.lead + own] = values[:, tap.lead + sources[unit]]
    return delayed(tap, moved)


def delayed(tap, undelayed):
    delays = tap.taps.argmax(1)
    led = sum(x[tap.lead - d : len(x) - d] for x, d in zip(undelayed, delays, strict=True))
    values = project_out(np.asarray(led), tap.test.first.projection)[tap.test.rows]
    return values - values.mean(0)


def mean_lengths(predict, drawn, units):
    """Of predictions in other orders, relative to those as shown."""
    plain = np.linalg.norm(predict(np.arange(units)), axis=0)
    shown = [np.linalg.norm(predict(order), axis=0) / plain for order in drawn]
    return np.sqrt((np.stack(shown) ** 2).mean(1))


def test_lengths_are_those_of_predicting_again(tmp_path, monkeypatch):
    case = Case(tmp_path, monkeypatch, voxels=30, realisations=2)
    (tap,), (one,) = case.taps, case.moves.sets
    drawn = case.moves.draw(0, 5, 0)[0]
    rows = MovedFeatures(case.runs, case.taps, case.moves)._draw(0, 5).rows[0]
    by_hand = mean_lengths(lambda order: predicted(tap, order), drawn, one.size)
    assert by_hand.std() > 0.01
    np.testing.assert_allclose(case.lengths().of(rows), by_hand, rtol=4e-3)
    # A table that may hold little takes fewer parts.
    monkeypatch.setattr(rearranged_lengths, "NUMBERS", 1)
    assert case.lengths()._table.shape[1] == len(tap.test.rows)


def test_films_in_other_orders(tmp_path, monkeypatch):
    """Features of volumes alone, as of sounds: nothing is switched on and off."""
    case = Case(tmp_path, monkeypatch, voxels=30, realisations=2)
    (tap,), (one,) = case.taps, case.moves.sets
    shown = tap.items[:, :, tap.presented.argmax(1)]
    film = replace(tap, timed=shown, items=tap.items[:, :, :0])
    drawn = case.moves.draw(0, 5, 0)[0]
    rows = MovedFeatures(case.runs, case.taps, case.moves)._draw(0, 5).rows[0]
    by_hand = mean_lengths(lambda o: predicted_by_volumes(film, o, one), drawn, one.size)
    prediction = predicted_by_volumes(film, np.arange(one.size), one)
    lengths = lengths_of(film, prediction, case.moves.sets)
    np.testing.assert_allclose(lengths.of(rows), by_hand, rtol=4e-3)


def test_voxels_that_predict_nothing_have_no_length(tmp_path, monkeypatch):
    case = Case(tmp_path, monkeypatch, voxels=20, realisations=2)
    none = [replace(tap, dual=0 * tap.dual) for tap in case.taps]
    runs = [replace(run, prediction=0 * run.prediction) for run in case.runs]
    null = MovedFeatures(runs, none, case.moves)
    assert np.abs(null.values(0, 3, np.arange(null.runs[0].y.shape[1]))).max() == 0


def test_more_is_found_when_divided_and_no_more_without_an_effect(tmp_path, monkeypatch):
    changes = {"voxels": 400, "driven": 0.25, "simulated": 400, "effects": [0.4]}
    case = Case(tmp_path, monkeypatch, **changes)
    null = MovedFeatures(case.runs, case.taps, case.moves)
    values = null.values(0, 2000, np.arange(case.runs[0].y.shape[1]))
    undivided = values * null._drawn.longer[0].numpy()[:, None]
    p, without = ((1 + (v >= null.observed).sum(0)) / 2001 for v in (values, undivided))
    columns = case.analysis._responses.columns
    driven, silent = columns.effect == 0.4, np.isnan(columns.effect)
    assert (p[silent] <= 0.05).mean() < 0.065
    assert (p[driven] <= 0.001).mean() > (without[driven] <= 0.001).mean() + 0.05
