"""Cross-validated decoding with a permutation test that refits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, roc_auc_score
from tqdm import tqdm

from tristream.align.exchange import FEWEST_DISTINCT
from tristream.config.decoders import DecoderDesign
from tristream.config.settings.decode import DecodeSettings
from tristream.decode.balanced_accuracy import Balanced
from tristream.decode.classifiers import CLASSIFIERS, LINEAR
from tristream.decode.decoding_file import KIND, Decoding, LeftOut, Voices, write_decoding
from tristream.decode.decoding_methods import methods_of
from tristream.decode.decoding_samples import Samples, read_samples
from tristream.decode.ensemble import TOGETHER, together
from tristream.decode.fold_samples import FoldSamples
from tristream.decode.joined_subjects import people_divisions
from tristream.decode.label_exchange import LabelExchange, label_exchange
from tristream.decode.tally import Tally, Voice, p_of_any
from tristream.errors import UserError
from tristream.store import Omission, Provenance

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
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
        Decision values on samples that the fit has not seen; of an ensemble mean probabilities.
    predicted : ndarray of int, shape (n,)
    voices : tuple of Voice
        The decoder itself; of an ensemble its mean probability, its majority, and its members.
    subjects : tuple of Voice
        The decoder in each of several subjects; none where there is one.
    top, top_null : ndarray of shape (classes,)
        Share of samples whose class is among the 1, 2, … with the largest decision values, and the
        mean of that under permuted labels (without these, k / classes).
    patterns : ndarray of shape (classes, voxels)
        How decision values show in the voxels; empty for networks and ensembles.
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
    voices: tuple[Voice, ...]
    subjects: tuple[Voice, ...]
    top: np.ndarray
    top_null: np.ndarray
    patterns: np.ndarray
    left_out: int
    log10_distinct: float
    permuted: str
    refusal: str

    @property
    def accuracy(self) -> float:
        """Share of right predictions among all tested samples."""
        return self.voices[0].accuracy

    @property
    def null(self) -> np.ndarray:
        """Accuracies under permuted labels."""
        return self.voices[0].null

    @property
    def balanced(self) -> Balanced:
        """Mean of the classes' recalls."""
        return self.voices[0].balanced

    @property
    def p(self) -> float:
        """p of the accuracy; NaN where it was refused."""
        return float("nan") if self.refusal else self.voices[0].p_against(self.null)

    @property
    def p_any(self) -> np.ndarray:
        """p of each voice, corrected for all: by the largest accuracy under each permutation; NaN
        where it was refused."""
        return np.full(len(self.voices), np.nan) if self.refusal else p_of_any(self.voices)


@dataclass(frozen=True)
class Labellings:
    """The true labels of the units and, unless refused, permutations of them.

    Attributes
    ----------
    plan : LabelExchange
    labels : ndarray of int of shape (1 + permutations, units)
    refusal : str
        Why there are no permutations; empty if there are.
    """

    plan: LabelExchange
    labels: Ints
    refusal: str


def labellings(samples: Samples, decoder: DecoderDesign) -> Labellings:
    """The labellings that a decoder is fitted to; they depend on no voxel."""
    plan = label_exchange(samples)
    refusal = _refusal(plan, decoder.permutations)
    labels = samples.label[None]
    if not refusal:
        labels = np.concatenate([labels, plan.draw(0, decoder.permutations, decoder.seed)])
    return Labellings(plan, labels, refusal)


def decode(
    samples: Samples,
    decoder: DecoderDesign,
    name: str = "decoder",
    under: Labellings | None = None,
) -> Decoded:
    """Fit, predict what was held out, and repeat under permuted labels.

    Under the null hypothesis labels may change places as
    :mod:`tristream.decode.label_exchange` says, in training and test runs alike; everything
    that sees labels is fitted again to each permutation, the search of penalties included.

    Parameters
    ----------
    samples : Samples
        From :func:`tristream.decode.decoding_samples.read_samples`, or of arrays.
    decoder : DecoderDesign
        All but its `samples` and `delay` is used.
    name : str
        For the progress bar.
    under : Labellings, optional
        Of the same units, where many decoders share them; then there are no patterns and no
        progress bar.

    Raises
    ------
    UserError
        If nothing is left to train on, or a training set lacks a class.
    """
    given = under or labellings(samples, decoder)
    plan, labels, refusal = given.plan, given.labels, given.refusal
    thing = plan.thing[samples.unit]
    tally = Tally(samples, len(labels), thing, len(plan.label))
    patterns, left_out = [], 0
    folds = list(divisions(samples, decoder.folds))
    quiet = True if under else None
    progress = tqdm(
        total=len(folds) * len(labels), desc=name, mininterval=5, unit="fit", disable=quiet
    )
    with progress:
        for every, test in folds:
            train = every[~np.isin(thing[every], thing[test])]
            left_out += len(every) - len(train)
            fold, used = _fold_samples(samples, thing, train, test)
            decide = _decider(fold, decoder)
            for start in range(0, len(labels), BATCH):
                part = slice(start, start + BATCH)
                values = decide(labels[part][:, used])
                tally.add(values, labels[part], part, test)
                progress.update(values.shape[1])
            if decoder.kind in LINEAR and under is None:
                own = _decider(replace(fold, test=fold.train), decoder)
                patterns.append(haufe(fold.train, own(samples.label[None, used])[0, 0]))
    of_things = plan.of_things(labels)
    voices = tally.voices(_names(decoder), of_things)
    tested = np.flatnonzero(tally.tested)
    return Decoded(
        tested=tested,
        decision=tally.decision[tested],
        predicted=tally.decision[tested].argmax(1),
        voices=voices,
        subjects=tally.by_subject(of_things),
        top=tally.top[0] / len(tested),
        top_null=(
            np.arange(1, len(samples.classes) + 1) / len(samples.classes)
            if refusal
            else tally.top[1:].mean(0) / len(tested)
        ),
        patterns=np.mean(patterns, 0) if patterns else np.empty((0, samples.x.shape[1])),
        left_out=left_out,
        log10_distinct=plan.log10_distinct,
        permuted=plan.described,
        refusal=refusal,
    )


def _names(decoder: DecoderDesign) -> list[str]:
    """Of the voices."""
    return [*TOGETHER, *decoder.members] if decoder.members else [decoder.kind]


def _decider(samples: FoldSamples, decoder: DecoderDesign) -> Callable[[Ints], Floats]:
    """Labellings to decision values of all voices, (voices, labellings, samples, classes)."""
    if not decoder.members:
        fold = CLASSIFIERS[decoder.kind].fold(samples, decoder, False)
        return lambda labels: fold.decide(labels)[None]
    members = [CLASSIFIERS[kind].fold(samples, decoder, True) for kind in decoder.members]
    return lambda labels: together([one.decide(labels) for one in members])


def haufe(x: Floats, decision: Floats) -> Floats:
    """How the decision values of a linear classifier show in the voxels.

    Weights say how to read a class out, and can be large where nothing of it is: at voxels whose
    noise is subtracted. The pattern, cov(x, s) cov(s)^-1, says where it is (Haufe et al. 2014,
    NeuroImage 87:96, eq. 6).

    Parameters
    ----------
    x : ndarray of shape (samples, voxels)
        Training samples.
    decision : ndarray of shape (samples, classes)
        Their decision values s.

    Returns
    -------
    ndarray of shape (classes, voxels)
        The pseudoinverse serves where decision values sum to a constant.
    """
    x, decision = x - x.mean(0), decision - decision.mean(0)
    return np.asarray(np.linalg.pinv(decision.T @ decision, rcond=1e-9) @ (decision.T @ x))


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


def divisions(samples: Samples, groups: int | None) -> Iterator[tuple[Ints, Ints]]:
    """Training and test samples: whole runs, in the order of the runs."""
    if samples.joined:
        yield from people_divisions(samples, samples.joined, groups)
        return
    run, runs = samples.sample_run, len(samples.runs)
    if samples.test.any():
        if groups is not None:
            first = samples.runs[int(samples.test.argmax())]
            raise UserError(
                f"`folds: {groups}` divides all runs, but {first} is held out for good by "
                "`split`; take out one of them"
            )
        yield np.flatnonzero(~samples.test[run]), np.flatnonzero(samples.test[run])
        return
    if runs < 2:
        raise UserError(
            f"only one run with labels ({samples.runs[0]}): leave-one-run-out needs at least two"
        )
    if groups is not None and groups > runs:
        raise UserError(
            f"`folds: {groups}` are more than the {runs} runs with labels, and a run is never "
            f"divided; give {runs} at most"
        )
    for held_out in range(groups or runs):
        test = run % (groups or runs) == held_out
        yield np.flatnonzero(~test), np.flatnonzero(test)


def _fold_samples(
    samples: Samples, thing: Ints, train: Ints, test: Ints
) -> tuple[FoldSamples, Ints]:
    """One division, and the units that its training samples belong to."""
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
    run, joined = samples.sample_run[train], samples.joined
    fold = FoldSamples(
        train=samples.x[train],
        test=samples.x[test],
        units=units,
        runs=joined.same_run[run] if joined else run,
        things=thing[train],
        classes=len(samples.classes),
        people=joined.subject[run] if joined else None,
    )
    return fold, used


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
    return decode_to_file(given, output, settings, subject, code)


def decode_to_file(
    given: Samples, output: Path, settings: DecodeSettings, subject: str, code: str
) -> Decoded:
    """Decode samples and write the file of kind ``decoding``; of several subjects without one."""
    found = decode(given, settings.block, settings.decoder)
    omitted = given.omitted
    if found.refusal:
        omitted += (Omission("p", found.refusal),)
    if found.balanced.omitted:
        omitted += (Omission("interval of balanced accuracy", found.balanced.omitted),)
    if found.left_out:
        why = "they show an item that the same fit is tested on, which it would recognise"
        omitted += (Omission(f"{found.left_out} training samples of all fits", why),)
    decoding = to_file(given, found, settings, subject)
    methods = methods_of(given, decoding, settings, found.refusal)
    provenance = Provenance(KIND, given.simulated, settings.key(), code, omitted, methods)
    write_decoding(output, decoding, provenance)
    return found


def to_file(given: Samples, found: Decoded, settings: DecodeSettings, subject: str) -> Decoding:
    """What the file of kind ``decoding`` holds."""
    y, run = given.y[found.tested], given.sample_run[found.tested]
    right = found.predicted == y
    runs = np.unique(run)
    share = np.bincount(y, minlength=len(given.classes)).max() / len(y)
    return Decoding(
        decoder=settings.decoder,
        dataset=settings.dataset,
        subject=subject,
        scheme=_scheme(given, settings.block.folds),
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
        top=found.top,
        top_chance=found.top_null,
        patterns=found.patterns.astype(np.float32),
        ijk=given.ijk,
        voices=Voices(**_arrays(found.voices, found.refusal, share)),
        subjects=_left_out(given, found),
        null=found.null,
        p=None if found.refusal else found.p,
    )


def _scheme(given: Samples, folds: int | None) -> str:
    if given.joined:
        return "leave-one-subject-out"
    if given.test.any():
        return "holdout"
    alone = folds is None or folds == len(given.runs)
    return "leave-one-run-out" if alone else "groups of runs"


def _arrays(voices: Sequence[Voice], refusal: str, *shares: float) -> dict[str, Any]:
    """The voices as arrays; without permutations chance is the share of the commonest class."""
    none = np.full(len(voices), np.nan)
    chance = shares if refusal else [one.null.mean() for one in voices]
    return {
        "names": [one.name for one in voices],
        "accuracy": np.array([one.accuracy for one in voices]),
        "chance": np.broadcast_to(np.asarray(chance, float), len(voices)),
        "balanced": np.array([one.balanced.value for one in voices]),
        "balanced_low": np.array([one.balanced.low for one in voices]),
        "balanced_high": np.array([one.balanced.high for one in voices]),
        "p": none if refusal else np.array([one.p_against(one.null) for one in voices]),
        "p_any": none if refusal else p_of_any(voices),
    }


def _left_out(given: Samples, found: Decoded) -> LeftOut | None:
    """Each subject, who was decoded by what was fitted to the others."""
    if not given.joined:
        return None
    y, run = given.y[found.tested], given.sample_run[found.tested]
    own = [y[given.joined.subject[run] == k] for k in range(len(given.joined.subjects))]
    shares = [float(np.bincount(one).max() / len(one)) for one in own]
    null = np.stack([one.null for one in found.subjects], axis=1)
    return LeftOut(**_arrays(found.subjects, found.refusal, *shares), null=null)
