"""What a decoder named right: by classifier, labelling, subject and exchangeable thing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tristream.decode.balanced_accuracy import Balanced, balanced_accuracy
from tristream.decode.decoding_samples import Samples
from tristream.decode.item_exchange import p_value

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Voice:
    """A decoder, one of its classifiers, what these decide together, or its result in one subject.

    Attributes
    ----------
    name : str
    accuracy : float
        Share of right predictions among all tested samples.
    null : ndarray of shape (permutations,)
        Accuracies under permuted labels; empty where the test was refused or not asked for.
    balanced : Balanced
        Mean of the classes' recalls, with its interval.
    """

    name: str
    accuracy: float
    null: np.ndarray
    balanced: Balanced

    def p_against(self, null: np.ndarray) -> float:
        """(1 + permutations at least as accurate) / (1 + permutations)."""
        return p_value(self.accuracy, null)


def p_of_any(voices: Sequence[Voice]) -> Floats:
    """p of each voice, corrected for all: by the largest accuracy under each permutation."""
    largest = np.max([voice.null for voice in voices], axis=0)
    return np.array([voice.p_against(largest) for voice in voices])


class Tally:
    """What was named right, by voice, labelling, subject and exchangeable thing.

    Parameters
    ----------
    samples : Samples
        Of one subject, or of several that were joined.
    labellings : int
    thing : ndarray of int of shape (samples,)
    things : int
    """

    def __init__(self, samples: Samples, labellings: int, thing: Ints, things: int) -> None:
        classes, joined = len(samples.classes), samples.joined
        self.samples, self.thing, self.things = samples, thing, things
        self.subjects = joined.subjects if joined else [""]
        run = samples.sample_run
        self.subject = joined.subject[run] if joined else np.zeros(len(run), int)
        self.tested = np.zeros(len(thing), bool)
        self.decision = np.zeros((len(thing), classes))
        self.top = np.zeros((labellings, classes))
        self.hits: Floats = np.zeros((0, labellings, len(self.subjects), things))

    def add(self, values: Floats, labels: Ints, part: slice, test: Ints) -> None:
        """Decision values of some labellings on the test samples of one division.

        The samples of a division are of one subject.
        """
        if not len(self.hits):
            self.hits = np.zeros((len(values), *self.hits.shape[1:]))
        if part.start == 0:
            self.tested[test] = True
            self.decision[test] = values[0, 0]
        y = labels[:, self.samples.unit[test]]
        hit = (values.argmax(-1) == y).astype(float)
        member = self.thing[test][:, None] == np.arange(self.things)
        self.hits[:, part, self.subject[test[0]]] += hit @ member.astype(float)
        own = np.take_along_axis(values[0], y[..., None], -1)
        # Classes of equal value have an order, as the largest has for argmax.
        before = np.arange(values.shape[-1]) < y[..., None]
        rank = ((values[0] > own) | ((values[0] == own) & before)).sum(-1)
        self.top[part] += (rank[..., None] <= np.arange(values.shape[-1])).sum(1)

    def voices(self, names: Sequence[str], labels: Ints) -> tuple[Voice, ...]:
        """What each classifier was worth, over all subjects."""
        pairs = zip(names, self.hits.sum(2), strict=True)
        return tuple(self._voice(name, hits, self.tested, labels) for name, hits in pairs)

    def by_subject(self, labels: Ints) -> tuple[Voice, ...]:
        """What the decoder was worth in each subject; nothing where there is one."""
        if not self.samples.joined:
            return ()
        return tuple(
            self._voice(
                name, self.hits[0, :, number], self.tested & (self.subject == number), labels
            )
            for number, name in enumerate(self.subjects)
        )

    def _voice(self, name: str, hits: Floats, tested: npt.NDArray[np.bool_], labels: Ints) -> Voice:
        shown = np.bincount(self.thing[tested], minlength=self.things)
        accuracy = hits.sum(1) / tested.sum()
        balanced = balanced_accuracy(hits, shown, labels, self.samples.classes)
        return Voice(name, float(accuracy[0]), accuracy[1:], balanced)
