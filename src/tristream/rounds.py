"""Blocks in random order round by round: each label comes once in each round."""

from collections.abc import Hashable, Sequence


def rounds_of(labels: Sequence[Hashable]) -> list[int]:
    """Number of each block's round, from 0; one begins where a label of the last one comes again.

    Parameters
    ----------
    labels : sequence of hashable
        Of the blocks of one run, in the order of time.
    """
    rounds: list[int] = []
    met: set[Hashable] = set()
    for label in labels:
        if label in met:
            met.clear()
        rounds.append(rounds[-1] + (not met) if rounds else 0)
        met.add(label)
    return rounds


def are_rounds(labels: Sequence[Hashable]) -> bool:
    """Whether all rounds but the last, which a run may cut short, show every label.

    Parameters
    ----------
    labels : sequence of hashable
        As of :func:`rounds_of`.
    """
    rounds = rounds_of(labels)
    every = len(set(labels))
    return all(rounds.count(number) == every for number in set(rounds) - {max(rounds, default=0)})
