"""What a trained network knows of tracks that it never heard."""

from dataclasses import dataclass

import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from tristream.genre.corpus import Corpus
from tristream.genre.networks import GenreNetwork
from tristream.genre.training import Trained, layer, scores
from tristream.genre.windows import Windows

PERMUTATIONS = 9999
PERPLEXITY = 30.0
FEWEST_EMBEDDED = 10


@dataclass(frozen=True)
class Evaluation:
    """The test tracks, each by the mean of its windows' probabilities.

    Attributes
    ----------
    tracks : ndarray of int, (n,)
        Numbers of the test tracks in the corpus.
    probabilities : ndarray, (n, classes)
    accuracy, balanced_accuracy : float
    chance : float
        Mean accuracy of permuted labels.
    p : float
        Share of permutations, the labels as they are among them, with an accuracy as high.
    confusion : ndarray of int, (classes, classes)
        Rows are genres, columns what the network says.
    before, after : ndarray, (n, 2), or None
        t-SNE of the last layer, means over each track's windows, with the weights that training
        began from, and trained; None for fewer than ten tracks.
    """

    tracks: np.ndarray
    probabilities: np.ndarray
    accuracy: float
    balanced_accuracy: float
    chance: float
    p: float
    confusion: np.ndarray
    before: np.ndarray | None
    after: np.ndarray | None


def evaluate(
    trained: Trained, corpus: Corpus, windows: Windows, device: str = "cpu", seed: int = 0
) -> Evaluation:
    """Let a network name the test tracks.

    Labels are permuted between groups, as tracks of one group may be alike: predictions are of a
    network that saw no test label, so nothing is trained again.
    """
    tracks = corpus.of("test")
    rows = windows.of(tracks)
    network = trained.network.to(device)
    found = scores(network, windows, rows, device, trained.precision).softmax(1).numpy()
    probabilities = _by_track(found, windows.track[rows], tracks)
    labels, named = corpus.labels[tracks], probabilities.argmax(1)
    null = _null(labels, named, [corpus.tracks[i].group for i in tracks], seed)
    accuracy = float((named == labels).mean())
    before = _embedded(trained.before, windows, rows, tracks, seed)
    after = _embedded(network.cpu(), windows, rows, tracks, seed)
    return Evaluation(
        tracks=tracks,
        probabilities=probabilities,
        accuracy=accuracy,
        balanced_accuracy=float(balanced_accuracy_score(labels, named)),
        chance=float(null.mean()),
        p=float((1 + (null >= accuracy - 1e-9).sum()) / (1 + len(null))),
        confusion=confusion_matrix(labels, named, labels=range(len(corpus.classes))),
        before=before,
        after=after,
    )


def _null(labels: np.ndarray, named: np.ndarray, groups: list[str], seed: int) -> np.ndarray:
    """Accuracies when groups exchange their labels."""
    rng = np.random.default_rng(seed)
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    of_group = labels[first]
    return np.array(
        [(named == rng.permutation(of_group)[member]).mean() for _ in range(PERMUTATIONS)]
    )


def _by_track(values: np.ndarray, track: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Means over each track's windows, (tracks, columns)."""
    return np.stack([values[track == one].mean(axis=0) for one in tracks])


def _embedded(
    network: GenreNetwork, windows: Windows, rows: np.ndarray, tracks: np.ndarray, seed: int
) -> np.ndarray | None:
    """t-SNE of the last layer."""
    if len(tracks) < FEWEST_EMBEDDED:
        return None
    last = layer(network, windows, rows, "last").numpy()
    return embed(_by_track(last, windows.track[rows], tracks), seed)


def embed(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """t-SNE in two dimensions of rows whose columns are z-scored, (rows, 2)."""
    scale = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(scale > 1e-9, scale, 1)
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    found: np.ndarray = tsne.fit_transform(scaled)
    return found
