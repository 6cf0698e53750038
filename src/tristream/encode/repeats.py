"""Test runs: which repeat one another, what all repeats use, scores and ceiling over them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from tristream.encode.ceiling import Ceiling, noise_ceiling
from tristream.encode.encoding_file import HeldOut, Scores
from tristream.encode.fit_inputs import Inputs
from tristream.encode.prediction_scores import correlation, fisher_mean, split_r2
from tristream.store import Omission


def test_groups(inputs: Inputs) -> dict[str, list[str]]:
    """Repeat group to its runs; empty for leave-one-run-out."""
    groups: dict[str, list[str]] = {}
    for name, run in inputs.runs.items():
        if run.split == "test":
            groups.setdefault(run.repeat, []).append(name)
    return groups


def common_rows(inputs: Inputs, groups: Mapping[str, Sequence[str]]) -> Inputs:
    """Keep of each test run the volumes that all repeats of it use."""
    runs = dict(inputs.runs)
    for members in groups.values():
        rows = reduce(np.intersect1d, [runs[name].rows for name in members])
        runs.update({name: replace(runs[name], rows=rows) for name in members})
    return replace(inputs, runs=runs)


def scores_of(tests: Sequence[HeldOut]) -> Scores:
    """Per test run, then averaged: r in Fisher z, R² as it is."""
    r = fisher_mean(np.stack([correlation(t.y, t.prediction) for t in tests]))
    split = np.mean([split_r2(t.y, t.band_prediction) for t in tests], axis=0)
    return Scores(r, split.sum(0), split)


def ceiling_of(
    inputs: Inputs, groups: Mapping[str, Sequence[str]]
) -> tuple[Ceiling | None, list[Omission]]:
    """Ceiling over all test groups together, where each was repeated equally often."""
    counts = {len(members) for members in groups.values()}
    if counts in (set(), {1}):
        return None, [Omission("ceiling", "no test run is a repeat of another")]
    if len(counts) > 1:
        return None, [Omission("ceiling", f"test runs have unequal repeats: {sorted(counts)}")]
    repeats, blocks = [], []
    for number, members in enumerate(groups.values()):
        rows = inputs.runs[members[0]].rows
        values = np.stack([inputs.runs[name].bold(rows) for name in members])
        repeats.append(values - values.mean(1, keepdims=True))
        blocks += [(number, unit) for unit in inputs.runs[members[0]].unit[rows].tolist()]
    _, index = np.unique(np.array(blocks), axis=0, return_inverse=True)
    return noise_ceiling(np.concatenate(repeats, axis=1), index), []
