"""Several classifiers of one division, and what they decide together."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
TOGETHER = ("mean probability", "majority")


def together(probabilities: Sequence[Floats]) -> Floats:
    """Decision values of an ensemble and of its members.

    Parameters
    ----------
    probabilities : sequence of ndarray of shape (labellings, samples, classes)
        One a member.

    Returns
    -------
    ndarray of shape (2 + members, labellings, samples, classes)
        Mean probabilities; shares of the members' votes, ties going to the larger mean probability;
        and the members' own probabilities.
    """
    members = np.stack(probabilities)
    mean = members.mean(0)
    votes = (members.argmax(-1)[..., None] == np.arange(members.shape[-1])).mean(0)
    # A vote counts 1 / members, a difference of mean probabilities less than half of that.
    return np.stack([mean, votes + mean / (2 * len(members) + 1), *members])
