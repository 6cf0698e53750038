"""The package's tests as they are run in a study: from the files of subjects to p values."""

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass

import numpy as np

from helpers.calibration_subjects import Subject
from helpers.inference_settings import comparing, grouping, inferring, settings_of_parts
from tristream.config.decoders import Decoder
from tristream.config.settings.decode import DecodeSettings
from tristream.decode.decoding import fit
from tristream.decode.decoding_file import read_decoding
from tristream.encode.partition.partition_file import read_partition
from tristream.errors import UserError
from tristream.inference.comparison import compare_encodings
from tristream.inference.comparison_file import read_comparison
from tristream.inference.encoding import infer_encoding
from tristream.inference.group_file import GroupTest, Means, read_group
from tristream.inference.group_models import infer_models
from tristream.inference.inference_file import read_inference
from tristream.inference.tested_partition import infer_partition
from tristream.inference.tested_partition_file import read_partition_test

PERMUTATIONS = 399


@dataclass(frozen=True)
class Found:
    """What a test found in one realisation.

    Attributes
    ----------
    observed, p : ndarray of shape (n,)
        Statistic, larger the more there is, and p; of voxels, or of one thing.
    p_fwe : ndarray of shape (n,) or None
        None where there is one thing.
    refused : str
        Why there are no p values.
    """

    observed: np.ndarray
    p: np.ndarray
    p_fwe: np.ndarray | None = None
    refused: str = ""


NOTHING = np.empty(0)
Test = Callable[[Sequence[Subject], int], Found]


def refused(why: str) -> Found:
    """No p values."""
    return Found(NOTHING, NOTHING, None, why)


@dataclass(frozen=True)
class Tested:
    """A test.

    Attributes
    ----------
    name : str
    run : callable
        From subjects and a seed to what was found.
    subjects : int
        How many it takes.
    voxels : int
        Of each subject.
    """

    name: str
    run: Test
    subjects: int = 1
    voxels: int = 60


TESTS: dict[str, Tested] = {}


def tested(name: str, **keys: int) -> Callable[[Test], Test]:
    """Add a function to `TESTS`."""

    def add(run: Test) -> Test:
        def quietly(subjects: Sequence[Subject], seed: int) -> Found:
            with redirect_stderr(io.StringIO()):
                try:
                    return run(subjects, seed)
                except UserError as error:
                    return refused(str(error))

        TESTS[name] = Tested(name, quietly, **keys)
        return run

    return add


def _why(omitted: Sequence, *names: str) -> str:
    return next((o.why for o in omitted if not names or o.what in names), "")


@tested("encoder")
def encoder(subjects: Sequence[Subject], seed: int) -> Found:
    """Correlation of prediction and BOLD."""
    (subject,) = subjects
    output = subject.folder / "inference.h5"
    unit = subject.design.exchange.unit
    settings = inferring(unit, permutations=PERMUTATIONS, seed=seed, spatial=())
    infer_encoding(subject.encoding(), settings, output)
    model, provenance = read_inference(output)
    if model.found is None:
        return refused(_why(provenance.omitted, "p"))
    return Found(model.found.observed, model.found.p, model.found.p_fwe)


@tested("model comparison")
def comparison(subjects: Sequence[Subject], seed: int) -> Found:
    """Difference of the correlations of band a alone and band b alone."""
    (subject,) = subjects
    output = subject.folder / "comparison.h5"
    settings = comparing(subject.design.exchange.unit, permutations=PERMUTATIONS, seed=seed)
    compare_encodings(subject.encoding("a"), subject.encoding("b"), settings, None, output)
    compared, provenance = read_comparison(output)
    if compared.found is None:
        return refused(_why(provenance.omitted, "p"))
    found = compared.found
    return Found(np.abs(found.difference), found.p, found.p_fwe)


@tested("comparison by region")
def region(subjects: Sequence[Subject], seed: int) -> Found:
    """The same of the mean over all voxels."""
    (subject,) = subjects
    output = subject.folder / "comparison.h5"
    settings = comparing(subject.design.exchange.unit, permutations=PERMUTATIONS, seed=seed)
    compare_encodings(subject.encoding("a"), subject.encoding("b"), settings, None, output)
    compared, provenance = read_comparison(output)
    if compared.found is None:
        return refused(_why(provenance.omitted, "p"))
    return Found(np.abs(compared.found.region_difference[:1]), compared.found.region_p[:1])


@tested("partition")
def partition(subjects: Sequence[Subject], seed: int) -> Found:
    """Unique variance of band a, next to band b."""
    (subject,) = subjects
    output = subject.folder / "partition_test.h5"
    settings = settings_of_parts(permutations=PERMUTATIONS, seed=seed)
    stored = subject.partition()
    infer_partition(stored, subject.encoding(), settings, None, output)
    test, provenance = read_partition_test(output)
    if not test.found:
        return refused(_why(provenance.omitted, "p"))
    parts, _ = read_partition(stored)
    found = test.found["a"]
    return Found(parts.found.parts.value[parts.sets.index("a")], found.p, found.p_fwe)


@tested("decoder", voxels=30)
def decoder(subjects: Sequence[Subject], seed: int) -> Found:
    """Accuracy of a ridge classifier of labels."""
    (subject,) = subjects
    design, output = subject.design, subject.folder / "decoding.h5"
    block = Decoder(
        datasets=[],
        kind="ridge",
        samples="blocks",
        standardize="training",
        regularization=float(subject.voxels),
        delay=0.0 if design.trials else design.tr * round(design.delay / design.tr),
        permutations=PERMUTATIONS,
        seed=seed,
    )
    settings = DecodeSettings(
        dataset="calibration", decoder="ridge", block=block.design, unit=design.exchange.unit
    )
    fit(subject.bold, subject.samples, output, settings, subject.name)
    found, provenance = read_decoding(output)
    if found.p is None:
        return refused(_why(provenance.omitted, "p"))
    return Found(np.array([found.accuracy]), np.array([found.p]))


@tested("group: other stimuli", subjects=8, voxels=40)
def other_stimuli(subjects: Sequence[Subject], seed: int) -> Found:
    """Mean over subjects of the correlation, by one rearrangement in all of them."""
    return _group(subjects, seed, lambda means: means.stimuli)


@tested("group: other people", subjects=8, voxels=40)
def other_people(subjects: Sequence[Subject], seed: int) -> Found:
    """Mean over subjects of the correlation, by flipping subjects' signs."""
    return _group(subjects, seed, lambda means: means.people)


def _group(
    subjects: Sequence[Subject], seed: int, asked: Callable[[Means], GroupTest | None]
) -> Found:
    encodings, inferences = [], []
    unit = subjects[0].design.exchange.unit
    # The group reads correlations; the tests of single subjects matter to their count alone.
    one = inferring(unit, permutations=19, seed=seed, most_permutations=19, spatial=())
    for subject in subjects:
        output = subject.folder / "inference.h5"
        encodings.append(subject.encoding())
        infer_encoding(encodings[-1], one, output)
        inferences.append(output)
    output = subjects[0].folder / "group.h5"
    settings = grouping(
        unit,
        permutations=PERMUTATIONS,
        seed=seed,
        timelines={subject.name: "all" for subject in subjects},
    )
    infer_models(encodings, inferences, [s.samples for s in subjects], settings, output)
    group, provenance = read_group(output)
    test = None if group.voxels is None else asked(group.voxels.means)
    if group.voxels is None or test is None:
        return refused("; ".join(o.why for o in provenance.omitted))
    return Found(np.arctanh(group.voxels.means.mean), test.p, test.p_fwe)
