"""Cross-validated decoding with a permutation test that refits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix, roc_auc_score
from tqdm import tqdm

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.config.decoders import DecoderDesign
from tristream.config.settings.decode import DecodeSettings
from tristream.decode.balanced_accuracy import Balanced, balanced_accuracy
from tristream.decode.classifiers import CLASSIFIERS, Fold
from tristream.decode.decoding_file import KIND, Decoding, write_decoding
from tristream.decode.decoding_methods import methods_of
from tristream.decode.decoding_samples import Samples, read_samples
from tristream.decode.label_exchange import LabelExchange, label_exchange
from tristream.errors import UserError
from tristream.store import Omission, Provenance

BATCH = 50
"""Labellings decided on at a time."""


@dataclass(frozen=True)
class Decoded:
    """What a decoder found.

    Attributes
    ----------
    tested : ndarray of int, shape (n,)
        Samples that were in a test set, in the order of the samples.
    decision : ndarray of shape (n, classes)
        Decision values on samples that the fit has not seen.
    predicted : ndarray of int, shape (n,)
    accuracy : float
        Share of right predictions among all tested samples.
    null : ndarray of shape (permutations,)
        Accuracies under permuted labels; empty where the test was refused or not asked for.
    balanced : Balanced
        Mean of the classes' recalls, with its interval.
    left_out : int
        Training samples that a fit did not get, since they show what it was tested on; over all
        fits.
    log10_distinct : float
        How many distinct permutations there are.
    permuted : str
        The exchange scheme in words.
    refusal : str
        Why the p value is missing; empty if it is not.
    """

    tested: np.ndarray
    decision: np.ndarray
    predicted: np.ndarray
    accuracy: float
    null: np.ndarray
    balanced: Balanced
    left_out: int
    log10_distinct: float
    permuted: str
    refusal: str

    @property
    def p(self) -> float:
        """(1 + permutations at least as accurate) / (1 + permutations)."""
        return float((1 + (self.null >= self.accuracy - 1e-12).sum()) / (1 + len(self.null)))


def decode(samples: Samples, decoder: DecoderDesign, name: str = "decoder") -> Decoded:
    """Fit, predict what was held out, and repeat under permuted labels.

    Under the null hypothesis labels may change places as
    :mod:`tristream.decode.label_exchange` says, in training and test runs alike; everything
    that sees labels is fitted again to each permutation.

    Parameters
    ----------
    samples : Samples
        From :func:`tristream.decode.decoding_samples.read_samples`.
    decoder : DecoderDesign
        Its `kind`, `regularization`, `standardize`, `permutations` and `seed` are used.
    name : str
        For the progress bar.

    Raises
    ------
    UserError
        If nothing is left to train on, or a training set lacks a class.
    """
    plan = label_exchange(samples)
    refusal = _refusal(plan, decoder.permutations)
    labels = samples.label[None]
    if not refusal:
        labels = np.concatenate([labels, plan.draw(0, decoder.permutations, decoder.seed)])
    thing = plan.thing[samples.unit]
    tested = np.zeros(len(thing), bool)
    decision = np.zeros((len(thing), len(samples.classes)))
    hits, left_out = np.zeros((len(labels), len(plan.label))), 0
    folds = list(_folds(samples))
    progress = tqdm(
        total=len(folds) * len(labels), desc=name, mininterval=5, unit="fit", disable=None
    )
    with progress:
        for every, test in folds:
            train = every[~np.isin(thing[every], thing[test])]
            left_out += len(every) - len(train)
            fold, used = _fold(samples, decoder, train, test)
            tested[test] = True
            member = thing[test][:, None] == np.arange(len(plan.label))
            for start in range(0, len(labels), BATCH):
                part = labels[start : start + BATCH]
                values = fold.decide(part[:, used])
                if start == 0:
                    decision[test] = values[0]
                hit = values.argmax(2) == part[:, samples.unit[test]]
                hits[start : start + BATCH] += hit @ member.astype(float)
                progress.update(len(part))
    accuracy = hits.sum(1) / tested.sum()
    shown = np.bincount(thing[tested], minlength=len(plan.label))
    return Decoded(
        tested=np.flatnonzero(tested),
        decision=decision[tested],
        predicted=decision[tested].argmax(1),
        accuracy=float(accuracy[0]),
        null=accuracy[1:],
        balanced=balanced_accuracy(hits, shown, plan.of_things(labels), samples.classes),
        left_out=left_out,
        log10_distinct=plan.log10_distinct,
        permuted=plan.described,
        refusal=refusal,
    )


def _refusal(plan: LabelExchange, permutations: int) -> str:
    if permutations == 0:
        return "permutations: 0 was asked for"
    log10 = plan.log10_distinct
    if log10 < np.log10(FEWEST_DISTINCT) - 1e-9:
        count = round(10**log10)
        return (
            f"only {count} distinct permutations exist, fewer than {FEWEST_DISTINCT}: the smallest "
            f"possible p is {1 / count:.2g}"
        )
    return ""


def _folds(samples: Samples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training and test samples: whole runs, in the order of the runs."""
    run = samples.sample_run
    if samples.test.any():
        yield np.flatnonzero(~samples.test[run]), np.flatnonzero(samples.test[run])
        return
    if len(samples.runs) < 2:
        raise UserError(
            f"only one run with labels ({samples.runs[0]}): leave-one-run-out needs at least two"
        )
    for left_out in range(len(samples.runs)):
        yield np.flatnonzero(run != left_out), np.flatnonzero(run == left_out)


def _fold(
    samples: Samples, decoder: DecoderDesign, train: np.ndarray, test: np.ndarray
) -> tuple[Fold, np.ndarray]:
    """The fold, and the units that its training samples belong to."""
    used, units = np.unique(samples.unit[train], return_inverse=True)
    lacking = set(range(len(samples.classes))) - set(samples.label[used].tolist())
    if lacking:
        names = ", ".join(samples.classes[c] for c in sorted(lacking))
        runs = ", ".join(samples.runs[r] for r in np.unique(samples.sample_run[test]))
        raise UserError(
            f"no training sample of {names} is left when {runs} is held out"
            f"{' with all showings of its items' if samples.exchange == 'item' else ''}; "
            "correct `split` or `exchange` in the dataset file, or drop the label"
        )
    x_train, x_test = samples.x[train], samples.x[test]
    if decoder.standardize == "training":
        mean, sd = x_train.mean(0), x_train.std(0)
        sd = np.where(sd > 0, sd, 1)
        x_train, x_test = (x_train - mean) / sd, (x_test - mean) / sd
    fold = CLASSIFIERS[decoder.kind].fold
    return fold(x_train, x_test, units, len(samples.classes), decoder), used


def area_under_curve(y: np.ndarray, decision: np.ndarray, run: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each class against the rest, averaged over test runs.

    Decision values of different fits have no common scale, so the curve is drawn run by run; runs
    that lack the class, or hold nothing else, are left out.

    Returns
    -------
    ndarray of shape (classes,)
        NaN for a class without such a run.
    """
    found = np.full((run.max() + 1, decision.shape[1]), np.nan)
    for r, c in np.ndindex(found.shape):
        truth = y[run == r] == c
        if truth.any() and not truth.all():
            found[r, c] = roc_auc_score(truth, decision[run == r, c])
    counts = np.isfinite(found).sum(0)
    return np.where(counts > 0, np.nansum(found, 0) / np.maximum(counts, 1), np.nan)


def fit(
    bold: Sequence[Path],
    samples: Path,
    output: Path,
    settings: DecodeSettings,
    subject: str,
    code: str = "",
) -> Decoded:
    """Decode one subject and write the file of kind ``decoding``.

    Parameters
    ----------
    bold, samples : paths
        As for :func:`tristream.decode.decoding_samples.read_samples`.
    output : Path
        HDF5 file to write.
    settings : DecodeSettings
        The decoder's name and configuration.
    subject : str
        Subject label.
    code : str
        Fingerprint for the provenance.
    """
    given = read_samples(bold, samples, settings.block, settings.unit)
    found = decode(given, settings.block, settings.decoder)
    omitted = given.omitted
    if found.refusal:
        omitted += (Omission("p", found.refusal),)
    if found.balanced.omitted:
        omitted += (Omission("interval of balanced accuracy", found.balanced.omitted),)
    if found.left_out:
        why = "they show an item that the same fit is tested on, which it would recognise"
        omitted += (Omission(f"{found.left_out} training samples of all fits", why),)
    decoding = _to_file(given, found, settings, subject)
    methods = methods_of(given, decoding, settings, found.refusal)
    provenance = Provenance(KIND, given.simulated, settings.key(), code, omitted, methods)
    write_decoding(output, decoding, provenance)
    return found


def _to_file(given: Samples, found: Decoded, settings: DecodeSettings, subject: str) -> Decoding:
    y, run = given.y[found.tested], given.sample_run[found.tested]
    right = found.predicted == y
    runs = np.unique(run)
    share = np.bincount(y, minlength=len(given.classes)).max() / len(y)
    return Decoding(
        decoder=settings.decoder,
        dataset=settings.dataset,
        subject=subject,
        scheme="holdout" if given.test.any() else "leave-one-run-out",
        classes=given.classes,
        run=[given.runs[r] for r in run],
        unit=[given.unit_names[u] for u in given.unit[found.tested]],
        true=y,
        predicted=found.predicted,
        decision=found.decision,
        confusion=confusion_matrix(y, found.predicted, labels=np.arange(len(given.classes))),
        auc=area_under_curve(y, found.decision, run),
        runs=[given.runs[r] for r in runs],
        accuracy_run=np.array([right[run == r].mean() for r in runs]),
        accuracy=found.accuracy,
        chance=share if found.refusal else found.null.mean(),
        chance_theory=share,
        recall=found.balanced.recall,
        balanced=found.balanced.value,
        balanced_low=found.balanced.low,
        balanced_high=found.balanced.high,
        balanced_chance=1 / len(np.unique(y)) if found.refusal else found.balanced.null.mean(),
        permuted=found.permuted,
        log10_distinct=found.log10_distinct,
        n_units=found.balanced.units,
        n_left_out=found.left_out,
        n_voxels=given.x.shape[1],
        null=found.null,
        p=None if found.refusal else found.p,
    )
