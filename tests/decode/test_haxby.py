"""Decoding real BOLD: known accuracies, nilearn as reference, nulls of the right width."""

import gc
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.decoding import Decoder as NilearnDecoder
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from helpers import REPOSITORY
from helpers.bold_tree import prepare
from tristream.bold.run_file import write_run
from tristream.config.dataset import Dataset
from tristream.config.decoders import DecoderDesign
from tristream.config.load import descriptor
from tristream.config.settings.decode import DecodeSettings
from tristream.decode.decoding import decode, fit
from tristream.decode.decoding_samples import Samples, read_samples
from tristream.decode.label_exchange import label_exchange
from tristream.decode.labelled_arrays import labelled
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.store import Provenance, open_h5, read_strings, write_table

WORKFLOW = REPOSITORY / "workflow/datasets"
RIDGE = DecoderDesign(kind="ridge", samples="volumes", regularization=530, delay=0)
SVM = DecoderDesign(kind="svm", samples="blocks", regularization=1.0, delay=0)
Files = tuple[list[Path], Path]
# Of this mask's volume, nilearn's screening at 10 % takes 22 voxels.
AFFINE = np.diag([20.0, 20.0, 20.0, 1.0])


@pytest.fixture(scope="module")
def files(haxby: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Run files by the bold stage, and a sample index by its contract."""
    folder = tmp_path_factory.mktemp("haxby")
    dataset: Dataset = descriptor("haxby2001_slice", [WORKFLOW], Path("config.yaml"))
    names = [f"mvpa2/data/{p.name}" for p in haxby.iterdir()]
    receipt = Receipt(
        dataset="haxby2001_slice",
        subject="1",
        source={},
        commit="",
        root=haxby.parents[1],
        name="",
        licence="",
        files=tuple(FetchedFile(name, None) for name in names),
        simulated=False,
    )
    words = np.loadtxt(haxby / "attributes_literal.txt", dtype=str)
    bold, tables = [], []
    for number, run in enumerate(dataset.runs):
        content = prepare(dataset, "1", run, receipt)
        bold.append(folder / f"{run}.h5")
        write_run(bold[-1], content, {})
        tables.append(_index(run, content.time, words[words[:, 1] == str(number), 0]))
    samples = folder / "sub-1_samples.tsv"
    write_table(
        samples,
        pd.concat(tables),
        Provenance("samples", simulated=False, methods=("Made by a test.",)),
    )
    return bold, samples


def _index(run: str, time: np.ndarray, item: np.ndarray) -> pd.DataFrame:
    block = np.cumsum(np.r_[True, item[1:] != item[:-1]])
    label = pd.Series(item).mask(item == "rest")
    unit = pd.Series([f"{run}/{b}" for b in block]).mask(item == "rest")
    return pd.DataFrame(
        {
            "run": run,
            "row": np.arange(len(item)),
            "time": time,
            "item": label,
            "label": label,
            "unit": unit,
            "split": "each",
            "repeat": None,
            "censor": False,
            "keep": item != "rest",
        }
    )


@pytest.fixture(scope="module")
def volumes(files: Files) -> Samples:
    return read_samples(*files, RIDGE, "block")


@pytest.fixture(scope="module")
def blocks(files: Files) -> Samples:
    return read_samples(*files, SVM, "block")


def test_samples_of_the_slice(volumes: Samples, blocks: Samples) -> None:
    assert volumes.x.shape == (864, 530)
    assert blocks.x.shape == (96, 530)
    assert len(volumes.classes) == 8
    assert "rest" not in volumes.classes
    assert set(volumes.length) == {9}
    one = blocks.unit_names.index("run-05/4")
    np.testing.assert_allclose(blocks.x[one], volumes.x[volumes.unit == one].mean(0))


@pytest.mark.parametrize("which", ["volumes", "blocks"])
def test_written_file(files: Files, tmp_path: Path, which: str) -> None:
    """The two decoders of the demo study: accuracy, p, and what the file holds."""
    decoder, lowest = (RIDGE, 0.63) if which == "volumes" else (SVM, 0.72)
    output = tmp_path / "sub-1.h5"
    settings = DecodeSettings(dataset="d", decoder=which, block=decoder, unit="block")
    found = fit(*files, output, settings, "1")
    with open_h5(output, "decoding") as (file, provenance):
        attrs = dict(file.attrs)
        assert attrs["accuracy"] == found.accuracy >= lowest
        assert attrs["p"] == pytest.approx(1 / 201)
        assert attrs["n_permutations"] == len(file["null"]) == 200
        assert attrs["chance"] == pytest.approx(1 / 8, abs=0.01)
        assert attrs["chance_theory"] == pytest.approx(1 / 8)
        # 8! orders in each of 12 runs; one renaming of the labels changes nothing.
        assert attrs["log10_distinct"] == pytest.approx(11 * np.log10(40320))
        true, predicted = file["true"][()], file["predicted"][()]
        assert (true == predicted).mean() == attrs["accuracy"]
        np.testing.assert_array_equal(file["decision"][()].argmax(1), predicted)
        assert file["confusion"][()].trace() == (true == predicted).sum()
        assert file["confusion"][()].sum() == len(true)
        assert len(read_strings(file, "run")) == len(read_strings(file, "unit")) == len(true)
        np.testing.assert_allclose(file["accuracy_run"][()].mean(), attrs["accuracy"])
        assert read_strings(file, "runs") == [f"run-{i:02d}" for i in range(1, 13)]
        auc = dict(zip(read_strings(file, "classes"), file["auc"][()], strict=True))
        assert min(auc.values()) > 0.75
        house = read_strings(file, "classes").index("house")
        run = np.array(read_strings(file, "run"))
        by_hand = [
            roc_auc_score(true[run == r] == house, file["decision"][run == r, house])
            for r in np.unique(run)
        ]
        assert auc["house"] == pytest.approx(np.mean(by_hand))
        assert not provenance.simulated
        assert provenance.omitted == ()


def test_ridge_is_scikit_learns(volumes: Samples) -> None:
    found = decode(volumes, RIDGE.model_copy(update={"permutations": 0}))
    model = RidgeClassifier(alpha=530)
    expected = cross_val_predict(
        model,
        volumes.x,
        volumes.y,
        groups=volumes.sample_run,
        cv=LeaveOneGroupOut(),
        method="decision_function",
    )
    np.testing.assert_allclose(found.decision, expected, atol=1e-8)


def _nilearn(
    samples: Samples, estimator: str, grid: dict[str, Sequence[object]], screening: float = 100
) -> tuple[float, np.ndarray]:
    """Accuracy over all classes, and accuracy of each class against the rest, by nilearn."""
    shape = (samples.x.shape[1], 1, 1)
    mask = nib.Nifti1Image(np.ones(shape, np.int8), AFFINE)
    hits, binary = [], []

    def image(rows: np.ndarray) -> nib.Nifti1Image:
        return nib.Nifti1Image(samples.x[rows].T.reshape(*shape, len(rows)), AFFINE)

    everything = image(np.arange(len(samples.x)))
    run, y = samples.sample_run, samples.y
    for left_out in np.unique(run):
        train, test = np.flatnonzero(run != left_out), np.flatnonzero(run == left_out)
        decoder = NilearnDecoder(
            estimator=estimator,
            mask=mask,
            cv=[(train, test)],
            param_grid=grid,
            screening_percentile=screening,
            scoring="accuracy",
            standardize=False,
            verbose=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoder.fit(everything, y)
            hits.append(decoder.predict(image(test)) == y[test])
        binary.append([decoder.cv_scores_[c][0] for c in range(len(samples.classes))])
    return float(np.concatenate(hits).mean()), np.mean(binary, 0)


@pytest.mark.parametrize("which", ["volumes", "blocks"])
def test_agrees_with_nilearns_decoder(
    volumes: Samples, blocks: Samples, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nilearn collects garbage at every look at an image: nine tenths of this test's time.
    monkeypatch.setattr(gc, "collect", lambda: 0)
    if which == "volumes":
        samples, decoder = volumes, RIDGE
        expected, binary = _nilearn(samples, "ridge_classifier", {"alphas": [[530.0]]})
    else:
        samples, decoder = blocks, SVM
        expected, binary = _nilearn(samples, "svc", {"C": [1.0]})
    found = decode(samples, decoder.model_copy(update={"permutations": 0}))
    assert found.accuracy == pytest.approx(expected, abs=0.01)
    ours = ((found.decision > 0) == (samples.y[:, None] == np.arange(8))).mean(0)
    np.testing.assert_allclose(ours, binary, atol=0.01)


@pytest.mark.parametrize(
    ("pair", "decoder", "estimator", "screening"),
    [
        (("bottle", "scissors"), {"kind": "logistic", "regularization": 1.0}, "logistic", 100),
        (("chair", "shoe"), {"kind": "svm", "regularization": 1.0, "voxels": 22}, "svc", 10),
        (("bottle", "shoe"), {"kind": "ridge", "regularization": 9.0, "voxels": 22}, "ridge", 10),
    ],
)
def test_pairs_agree_with_nilearns_decoder(
    blocks: Samples,
    pair: tuple[str, str],
    decoder: dict[str, object],
    estimator: str,
    screening: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where voxels are chosen in each fold, by F."""
    monkeypatch.setattr(gc, "collect", lambda: 0)
    labels = np.array(blocks.classes)[blocks.y]
    own = np.isin(labels, pair)
    given = labelled(blocks.x[own], labels[own], blocks.sample_run[own])
    value = decoder["regularization"]
    grid = {"alphas": [[value]]} if estimator == "ridge" else {"C": [value]}
    name = "ridge_classifier" if estimator == "ridge" else estimator
    expected, _ = _nilearn(given, name, grid, screening)
    found = decode(given, DecoderDesign(samples="blocks", permutations=0, **decoder))
    assert found.accuracy == pytest.approx(expected, abs=0.01)


def test_voxels_that_are_chosen_in_the_fold_help(blocks: Samples) -> None:
    """Of one slice most voxels know nothing; the search finds the penalty by itself."""
    keys = {"kind": "lda", "samples": "blocks", "permutations": 0}
    every, best = (decode(blocks, DecoderDesign(voxels=n, **keys)) for n in (None, 100))
    assert every.accuracy > 0.7
    assert best.accuracy > every.accuracy + 0.1
    assert best.top[1] > 0.95
    together = decode(
        blocks, DecoderDesign(members=["ridge", "lda"], **keys | {"kind": "ensemble"})
    )
    assert min(voice.accuracy for voice in together.voices) > 0.7
    mean = np.stack([blocks.x[blocks.y == label].mean(0) for label in range(8)])
    for pattern, response in zip(
        every.patterns - every.patterns.mean(0), mean - mean.mean(0), strict=True
    ):
        assert np.corrcoef(pattern, response)[0, 1] > 0.5


def test_permuted_refits_are_whole_refits(blocks: Samples, volumes: Samples) -> None:
    """The quick null gives what fitting anew to the permuted labels gives."""
    for samples, decoder in ((volumes, RIDGE), (blocks, SVM)):
        found = decode(samples, decoder.model_copy(update={"permutations": 3}))
        drawn = label_exchange(samples).draw(0, 3, decoder.seed)
        for labels, accuracy in zip(drawn, found.null, strict=True):
            alone = decode(
                replace(samples, label=labels), decoder.model_copy(update={"permutations": 0})
            )
            assert alone.accuracy == pytest.approx(accuracy, abs=1e-12)


def test_shuffled_labels_are_at_chance(volumes: Samples) -> None:
    shuffled = label_exchange(volumes).draw(0, 1, seed=1234)[0]
    found = decode(replace(volumes, label=shuffled), RIDGE)
    assert abs(found.accuracy - 1 / 8) < 3 * found.null.std()
    assert found.p > 0.01


def test_moving_single_volumes_makes_the_null_too_narrow(volumes: Samples) -> None:
    """A planted error: the volume as exchangeable unit, though a block's volumes go together."""
    decoder = RIDGE.model_copy(update={"permutations": 300})
    each = replace(
        volumes,
        unit=np.arange(len(volumes.unit)),
        label=volumes.y,
        run=volumes.sample_run,
        length=np.ones(len(volumes.unit), int),
        item=np.arange(len(volumes.unit)),
        unit_names=[str(i) for i in range(len(volumes.unit))],
    )
    right, wrong = decode(volumes, decoder), decode(each, decoder)
    assert right.accuracy == pytest.approx(wrong.accuracy, abs=1e-12)
    assert right.null.mean() == pytest.approx(wrong.null.mean(), abs=0.01)
    ratio = right.null.std() / wrong.null.std()
    assert ratio > 1.2
    assert label_exchange(each).log10_distinct > 100


def test_standardizing_by_training_runs_scales_the_training_samples(blocks: Samples) -> None:
    decoder = SVM.model_copy(update={"standardize": "training", "permutations": 0})
    same = decode(blocks, decoder)
    scaled = decode(replace(blocks, x=blocks.x * 7 + 3), decoder)
    np.testing.assert_allclose(same.decision, scaled.decision, atol=1e-6)


def test_same_seed_same_null(blocks: Samples) -> None:
    few = SVM.model_copy(update={"permutations": 5})
    np.testing.assert_array_equal(decode(blocks, few).null, decode(blocks, few).null)
    other = few.model_copy(update={"seed": 1})
    assert (decode(blocks, few).null != decode(blocks, other).null).any()


def test_delay_takes_earlier_labels(files: Files, volumes: Samples) -> None:
    later = read_samples(*files, RIDGE.model_copy(update={"delay": "5 s"}), "block")
    assert len(later.x) == len(volumes.x)
    np.testing.assert_allclose(later.x[:-2][:7], volumes.x[2:9])
    np.testing.assert_array_equal(later.label, volumes.label)
