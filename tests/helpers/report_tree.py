"""A small results tree by the file contracts, made of random numbers, for tests of maps and report.

Two datasets of the demo study: one measured (a single slice, leave-one-run-out, decoders), one
simulated (MNI space, held-out run with repeats). The numbers mean nothing; their shapes, files and
provenance are those that the stages write.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from helpers import REPOSITORY, truths
from helpers.run_files import write_runs
from tristream.config.delays import in_volumes
from tristream.config.load import Resolved, load
from tristream.config.runs import Exchange
from tristream.decode.decoding_file import Decoding, Voices
from tristream.decode.decoding_file import write_decoding as write_decoding_file
from tristream.decode.mass_univariate_file import KIND as UNIVARIATE
from tristream.decode.mass_univariate_file import MassUnivariate, write_mass_univariate
from tristream.decode.profile_file import KIND as PROFILE
from tristream.decode.profile_file import Profile, write_profile
from tristream.encode.ceiling import Ceiling
from tristream.encode.encoding_file import Encoding, Fitted, HeldOut, Scores
from tristream.encode.encoding_file import write_encoding as write_encoding_file
from tristream.features.core.checked_space import check
from tristream.features.core.feature_file import About, create_features
from tristream.fetch.receipt import FetchedFile, Receipt
from tristream.inference.encoding import WITHOUT_P
from tristream.inference.inference_file import (
    Draws,
    Significance,
    SpatialTest,
    TestedModel,
    write_inference,
)
from tristream.stimuli.tables import (
    LEAKAGE,
    LeakageTable,
    StimulusFile,
    write_inventory,
    write_leakage,
    write_splits,
)
from tristream.stimuli.timelines import Event
from tristream.store import (
    Omission,
    Provenance,
    create_h5,
    write_strings,
    write_table,
)

BUNNY_REGIONS = ["occipital", "middle temporal", "auditory cortex", "unmodelled", "null"]
BUNNY_STREAMS = ["ventral", "dorsal", "auditory", "unmodelled", "none"]


def write_study(folder: Path, **changes: object) -> Path:
    """Write the demo study of both subjects, results below `folder`; return its config's path."""
    study = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    study["datasets"]["bunny"]["subjects"] = "all"
    study |= {"results": str(folder / "results"), **changes}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path


def read_study(config: Path) -> Resolved:
    """The checked study at `config`, with the descriptors of the repository."""
    return load(config, REPOSITORY / "workflow/datasets")


def write_tree(resolved: Resolved) -> None:
    """Write everything that the report reads, except maps."""
    root = Path(resolved.study.results)
    rng = np.random.default_rng(0)
    for dataset, subjects in resolved.subjects.items():
        simulated = dataset == "bunny"
        for subject in subjects:
            write_receipt(root, dataset, subject, simulated)
            write_bold(resolved, dataset, subject, simulated, rng)
            for name, model in resolved.study.models.items():
                if dataset in model.datasets:
                    write_encoding(resolved, dataset, name, subject, simulated, rng)
            for name, decoder in resolved.study.decoders.items():
                if dataset in decoder.datasets:
                    write_decoding(root, dataset, name, subject, rng)
                    for place in decoder.profiles:
                        write_parts(root, dataset, name, subject, place, rng)
            for name, pair in resolved.study.univariate.items():
                if dataset in pair.datasets:
                    write_comparison(root, dataset, name, subject, rng)
            write_lagscan(resolved, dataset, subject, simulated, rng)
        write_receipt(root, dataset, None, simulated)
        write_stimuli(root, dataset, subjects, resolved, rng)
        write_features(resolved, dataset, rng)
    write_recovery(root, resolved.subjects["bunny"])
    write_truth(root, resolved.subjects["bunny"])
    write_benchmarks(root)


def ijk_of(dataset: str) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int]]:
    """Voxels, affine and image shape: a slice, or an ellipsoid the size of a brain at 8 mm."""
    if dataset != "bunny":
        shape = (20, 10, 1)
        grid = np.argwhere(np.ones(shape, bool))
        centre = np.abs(grid[:, :2] - [9.5, 4.5]) / [9, 4.5]
        return grid[(centre**2).sum(axis=1) < 1], np.diag([3.5, 3.5, 3.5, 1.0]), shape
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = [-80, -112, -72]
    shape = (21, 25, 21)
    grid = np.argwhere(np.ones(shape, bool))
    xyz = grid @ affine[:3, :3] + affine[:3, 3]
    inside = (((xyz - [0, -18, 8]) / [72, 90, 68]) ** 2).sum(axis=1) < 1
    return grid[inside], affine, shape


def region_of(xyz: np.ndarray) -> np.ndarray:
    """Index into BUNNY_REGIONS of each voxel, by its place."""
    region = np.full(len(xyz), 4)
    region[xyz[:, 1] < -65] = 0
    region[(np.abs(xyz[:, 0]) > 35) & (xyz[:, 1] > -65) & (xyz[:, 1] < -40)] = 1
    region[(np.abs(xyz[:, 0]) > 40) & (xyz[:, 1] > -40) & (xyz[:, 1] < 10)] = 2
    region[xyz[:, 1] > 45] = 3
    return region


def write_receipt(root: Path, dataset: str, subject: str | None, simulated: bool) -> None:
    """What fetch writes."""
    receipt = Receipt(
        dataset=dataset,
        subject=subject,
        source={"kind": "datalad", "url": f"{root}/simulate/{dataset}/dataset"}
        if simulated
        else {"kind": "archive", "package": "pymvpa2", "version": "2.6.5", "sha256": "f98b" * 16},
        commit="4f1c2d3e" * 5 if simulated else "",
        root=Path(f"data/{dataset}"),
        name=dataset,
        licence="CC0",
        files=(FetchedFile(f"sub-{subject}/func/x.nii.gz", 4 << 20, "md5:0"),),
        simulated=simulated,
    )
    folder = root / "fetch" / dataset
    receipt.write(folder / (f"sub-{subject}/receipt.json" if subject else "dataset.json"))


def write_bold(
    resolved: Resolved, dataset: str, subject: str, simulated: bool, rng: np.random.Generator
) -> None:
    """Run files and their index."""
    folder = Path(resolved.study.results) / "bold" / dataset / f"sub-{subject}"
    write_runs(folder, resolved.datasets[dataset], subject, ijk_of(dataset), simulated, rng)


def write_encoding(
    resolved: Resolved,
    dataset: str,
    name: str,
    subject: str,
    simulated: bool,
    rng: np.random.Generator,
) -> None:
    """An encoding and its inference."""
    root, model = Path(resolved.study.results), resolved.study.models[name]
    ijk, affine, shape = ijk_of(dataset)
    bands = list(model.bands)
    n = len(ijk)
    share = 0.01 * rng.standard_normal((len(bands), n))
    if simulated and model.control == "none":
        region = region_of(ijk @ affine[:3, :3] + affine[:3, 3])
        for band in range(3):
            share[band, region == band] += 0.08 + 0.1 * rng.random((region == band).sum())
    elif not simulated:
        share += 0.1 * rng.random(n)
    r2 = share.sum(axis=0)
    r = np.sqrt(np.abs(r2)) * np.sign(r2)
    none = Omission("noise ceiling", "no test run was seen more than once")
    provenance = Provenance(
        "encoding",
        simulated,
        omitted=() if simulated else (none,),
        methods=(f"Bands {', '.join(bands)} were fitted [@dupre2022].", "Tested on held-out runs."),
    )
    ceiling = np.clip(r + 0.2 + 0.2 * rng.random(n), 0, 1)
    about = {
        "delays": in_volumes(model.delays, 2.0),
        "model": name,
        "control": model.control,
        "device": "cpu",
    }
    about |= {"alphas": np.logspace(0, 7, 15).tolist(), "n_repeats": 2, "candidates": 50}
    about["scheme"] = "holdout" if simulated else "leave-one-run-out"
    # Of principal components, so that nobody asks for weights, of which there are none.
    about |= {"model_kind": "banded_ridge", "kernels": {}, "components": 5}
    about |= {"hrf": "fir", "tr": 2.0, "items": []}
    encoding = Encoding(
        bands=bands,
        ijk=ijk.astype(np.int32),
        affine=affine,
        shape=np.array(shape),
        tests={"main": held_out(rng)},
        scores=Scores(r, r2, share),
        ceiling=Ceiling(ceiling, ceiling - 0.15, ceiling**2, ceiling**2) if simulated else None,
        fitted=fitted(rng, len(bands), r2),
        about=about,
    )
    write_encoding_file(
        root / "encode" / dataset / name / f"sub-{subject}.h5", encoding, provenance
    )
    tested = TestedModel(
        statistic="correlation, one-sided",
        null="blocks of the prediction permuted within the test run, the model fixed",
        unit="time",
        n_distinct=5 if name == "oracle" else 1000,
        n_permutations=0 if name == "oracle" else 1000,
        seed=0,
        fdr=0.05,
        procedure="bh",
    )
    if name != "oracle":
        p = np.where(r > 0.2, 0.001, rng.random(n))
        q, null_max = np.clip(p * 3, 0, 1), 0.2 + 0.05 * rng.random(1000)
        found = Significance(r, p, np.clip(p * n, 0, 1), q, q, p < 0.01, null_max)
        draws = Draws(np.full(n, 1000), np.zeros(n, bool), 0, 20 * n - 1, 20 * n // 1001 + 1)
        enhanced = SpatialTest(r, np.where(r > 0.2, 0.01, 1.0), null_max)
        found_too = {"draws": draws, "spatial": {"tfce": enhanced}}
        tested = replace(tested, widening=(1.0,), found=found, **found_too)
    why = "5 distinct permutations; under 1,000 no p value is written"
    omitted = tuple(Omission(what, why) for what in WITHOUT_P) if name == "oracle" else ()
    provenance = Provenance("inference", simulated, omitted=omitted, methods=("Tested.",))
    write_inference(root / "inference" / dataset / name / f"sub-{subject}.h5", tested, provenance)


def held_out(rng: np.random.Generator) -> HeldOut:
    """A test run of 40 volumes; of three voxels, as nobody looks at it."""
    prediction = rng.standard_normal((40, 3))
    return HeldOut(
        prediction=prediction,
        band_prediction=prediction[None],
        y=prediction,
        unit=np.zeros(40, int),
        runs=("run-1",),
        gamma=np.ones((1, 3)),
        alpha=np.ones(3),
        projection=np.empty((40, 0)),
        item=np.zeros(40, int),
        rows=np.arange(40),
    )


def fitted(rng: np.random.Generator, bands: int, r2: np.ndarray) -> Fitted:
    """Hyperparameters of every voxel; weights of none."""
    n = len(r2)
    return Fitted(
        gamma=rng.dirichlet(np.ones(bands), n).T,
        alpha=10.0 ** rng.integers(0, 8, n),
        cv=r2 + 0.01 * rng.standard_normal(n),
        intercept=np.zeros(n),
        runs={},
        edge=0.0,
    )


def write_comparison(
    root: Path, dataset: str, name: str, subject: str, rng: np.random.Generator
) -> None:
    """Faces against houses in a slice of 100 voxels."""
    t = 2 * rng.standard_normal(100)
    ijk = np.argwhere(np.ones((10, 10, 1)))
    found = MassUnivariate(
        name, "face", "house", ["run-01", "run-02"], 1000, t, t, 0.8 * t, 0.9 * t, ijk
    )
    written = Provenance(UNIVARIATE, False, methods=(f"Comparison {name} was made.",))
    path = root / f"decode/{dataset}/{name}/sub-{subject}_univariate.h5"
    write_mass_univariate(path, found, written)


def write_parts(
    root: Path, dataset: str, name: str, subject: str, place: str, rng: np.random.Generator
) -> None:
    """A decoder in 100 spheres of a slice, in three regions, or at five times."""
    over, names, ijk, times = {
        "searchlight": ("spheres", [""] * 100, np.argwhere(np.ones((10, 10, 1))), []),
        "region_profile": ("regions", ["V1", "LOC", "FFA"], np.empty((0, 3), int), []),
        "time_profile": ("times", ["-2 s", "0 s", "2 s", "4 s", "6 s"], np.empty((0, 3), int), 2),
    }[place]
    n = len(names)
    accuracy = np.linspace(0.1, 0.6, n)
    found = Profile(
        names=list(names),
        accuracy=accuracy,
        chance=np.full(n, 0.125),
        p=np.linspace(0.9, 0.005, n),
        p_fwe=np.linspace(1, 0.01, n),
        largest=rng.uniform(0.1, 0.3, 200),
        size=np.full(n, 12),
        refusal="",
        over=over,
        decoder=name,
        ijk=ijk,
        affine=np.diag([3.5, 3.5, 3.5, 1.0]),
        shape=(10, 10, 1) if len(ijk) else (0, 0, 0),
        times=np.arange(-2.0, 7, times) if times else np.empty(0),
    )
    written = Provenance(PROFILE, False, methods=(f"Decoder {name} was fitted again.",))
    suffix = {"spheres": "searchlight"}.get(over, over)
    write_profile(root / f"decode/{dataset}/{name}/sub-{subject}_{suffix}.h5", found, written)


def voices(name: str) -> Voices:
    """An ensemble of two where the name says so, else one classifier."""
    names = ["mean probability", "majority", "ridge", "lda"] if "ensemble" in name else [name]
    one = np.ones(len(names))
    return Voices(
        names, 0.7 * one, 0.125 * one, 0.7 * one, 0.6 * one, 0.8 * one, 0.005 * one, 0.01 * one
    )


def write_decoding(
    root: Path, dataset: str, name: str, subject: str, rng: np.random.Generator
) -> None:
    """A decoder that is right two times in three."""
    classes = ["bottle", "cat", "chair", "face", "house", "scissors", "scrambledpix", "shoe"]
    true = np.tile(np.repeat(np.arange(8), 9), 12)
    right = rng.random(len(true)) < 0.7
    predicted = np.where(right, true, rng.integers(0, 8, len(true)))
    confusion = np.zeros((8, 8), int)
    np.add.at(confusion, (true, predicted), 1)
    runs = [f"run-{i + 1:02}" for i in range(12)]
    decoding = Decoding(
        decoder=name,
        dataset=dataset,
        subject=subject,
        scheme="leave-one-run-out",
        classes=classes,
        run=[run for run in runs for _ in range(72)],
        unit=[f"{run}/{i // 9}" for run in runs for i in range(72)],
        true=true,
        predicted=predicted,
        decision=rng.standard_normal((len(true), 8)),
        confusion=confusion,
        auc=0.8 + 0.15 * rng.random(8),
        recall=np.diag(confusion) / confusion.sum(axis=1),
        runs=runs,
        accuracy_run=0.6 + 0.2 * rng.random(12),
        accuracy=float((true == predicted).mean()),
        chance=0.126,
        chance_theory=0.125,
        balanced=float((true == predicted).mean()),
        balanced_low=0.6,
        balanced_high=0.8,
        balanced_chance=0.125,
        permuted="whole blocks within runs",
        log10_distinct=41.0,
        n_units=96,
        n_left_out=0,
        n_voxels=100,
        top=np.linspace(0.7, 1, 8),
        top_chance=np.arange(1, 9) / 8,
        patterns=np.zeros((0, 100)),
        ijk=np.zeros((100, 3), int),
        voices=voices(name),
        null=0.125 + 0.02 * rng.standard_normal(200),
        p=1 / 201,
    )
    provenance = Provenance("decoding", False, methods=(f"Labels were decoded by {name}.",))
    path = root / "decode" / dataset / name / f"sub-{subject}.h5"
    write_decoding_file(path, decoding, provenance)


def write_lagscan(
    resolved: Resolved, dataset: str, subject: str, simulated: bool, rng: np.random.Generator
) -> None:
    """A peak at 5 s for every space of the dataset's models."""
    spaces = [
        f"{space}/{layer}"
        for space in spaces_of(resolved, dataset)
        for layer in check(space, resolved.study.features[space]).layers
    ]
    lags = np.arange(-5.0, 15.5, 0.5)
    curve = 0.2 * np.exp(-((lags - 5) ** 2) / 8)
    r = np.stack([curve * (1 - 0.05 * i) for i in range(len(spaces))])
    path = Path(resolved.study.results) / "align" / dataset / f"sub-{subject}_lagscan.h5"
    with create_h5(path, Provenance("lagscan", simulated)) as file:
        file["lags"], file["r"] = lags, r + 0.005 * rng.standard_normal(r.shape)
        file["peak"] = np.full(len(spaces), 5.0)
        write_strings(file, "spaces", spaces)


def spaces_of(resolved: Resolved, dataset: str) -> list[str]:
    """Feature spaces that the dataset's models use."""
    found: dict[str, None] = {}
    for model in resolved.study.models.values():
        if dataset in model.datasets:
            found |= dict.fromkeys(s.split("/")[0] for b in model.bands.values() for s in b)
    return list(found)


def write_stimuli(
    root: Path, dataset: str, subjects: list[str], resolved: Resolved, rng: np.random.Generator
) -> None:
    """Inventory, splits and leakage audit."""
    folder, descriptor = root / "stimuli" / dataset, resolved.datasets[dataset]
    runs = descriptor.runs
    film = bool(descriptor.stimuli.table)
    film_event = Event(4.0, 60.0, "bbb", "film", "bbb")
    face = Event(4.0, 60.0, "face", "label", "face", label="face")
    timeline = {run: [film_event if film else face] for run in runs}
    facts = {"picture": "1280 x 720 pixels, 24.000 fps"}
    stimuli = [StimulusFile("bbb", "film", "bbb.mp4", "ab" * 32, 596.5, facts)] if film else []
    unit = Exchange(unit="time" if film else "block")
    write_inventory(
        folder / "inventory.tsv", {"main": timeline}, unit, stimuli, Provenance("inventory", False)
    )
    split = ["test" if descriptor.split.is_test(r) else "train" for r in runs]
    splits = pd.DataFrame(
        {"timeline": "main", "run": runs, "split": split if film else "each", "repeat": "n/a"}
    )
    write_splits(folder / "splits.tsv", splits, Provenance("splits", False))
    row = ["main", "picture", "bbb", "bbb", 0.0, 590.0, 4.0, 0.97, 0.95, "warn", "end titles"]
    write_leakage(
        LeakageTable(
            path=folder / "leakage.tsv",
            table=pd.DataFrame([row] if film else [], columns=list(LEAKAGE)),
            checked=[{"frames compared": 480, "threshold": 0.95, "minimum gap (s)": 20.0}],
            baseline=[] if film else [{"accuracy": 0.14, "chance": 0.125, "flagged": False}],
            drop=[],
            across=None,
            provenance=Provenance("leakage", False, methods=("Stimuli were compared.",)),
        )
    )


def write_features(resolved: Resolved, dataset: str, rng: np.random.Generator) -> None:
    """Feature and aligned files of every layer."""
    root = Path(resolved.study.results)
    simulated = dataset == "bunny"
    runs = resolved.datasets[dataset].runs
    for space in spaces_of(resolved, dataset):
        block = resolved.study.features[space]
        for number, layer in enumerate(check(space, block).layers):
            p = 4 + 2 * number
            truth = simulated and block.stream == "truth"
            path = root / "features" / dataset / space / f"{layer}.h5"
            weights = {"file": "w.pth", "sha256": "ab" * 32, "licence": "Apache-2.0"}
            about = About(
                space,
                layer,
                block.extractor,
                "timed" if block.stream != "label" else "item",
                weights=[weights] if "net" in space else [],
            )
            # Without rows: what the report shows of a space that has none.
            methods = (f"Features were made by {block.extractor}.",)
            with create_features(
                path, about, simulated=truth, config={}, code="", methods=methods
            ) as file:
                write_strings(file.h5, "names", [f"{layer} {i}" for i in range(p)])
            path = root / "align" / dataset / "main" / space / f"{layer}.h5"
            methods = ("Features were sampled at the volumes.",)
            with create_h5(path, Provenance("aligned", truth, methods=methods)) as file:
                for run in runs:
                    slow = np.cumsum(rng.standard_normal((60, p)), axis=0)
                    file[f"runs/{run}"] = slow.astype("f4")
                    file[f"times/{run}"] = np.arange(60.0)
                write_strings(file, "names", [f"{layer} {i}" for i in range(p)])
                tr = resolved.datasets[dataset].tr
                file.attrs.update(tr=tr, space=space, layer=layer, sampling="timed")


def write_recovery(root: Path, subjects: list[str]) -> None:
    """What inference says of simulated data."""
    rows = [
        (s, check, value, low, high, threshold, passed)
        for s in subjects
        for check, value, low, high, threshold, passed in (
            ("winner rate over the oracle's", 0.91, 0.88, 0.94, 0.85, True),
            ("mean r over the oracle's", 0.61, 0.58, 0.64, 0.65, False),
            ("null region: rejection rate", 0.01, 0.0, 0.03, 0.05, True),
        )
    ]
    columns = ["subject", "check", "value", "low", "high", "threshold", "passed"]
    table = pd.DataFrame(rows, columns=columns)
    write_table(root / "inference/bunny/recovery.tsv", table, Provenance("recovery", True))


def write_truth(root: Path, subjects: list[str]) -> None:
    """Regions and streams of the simulated voxels."""
    ijk, affine, _ = ijk_of("bunny")
    region = region_of(ijk @ affine[:3, :3] + affine[:3, 3])
    streams = [BUNNY_STREAMS[i] for i in region]
    truth = truths.voxel_truth(ijk, streams, np.full(len(ijk), 0.4))
    truth = replace(truth, region=np.array([BUNNY_REGIONS[i] for i in region]))
    truths.write(root / "simulate/bunny/truth.h5", dict.fromkeys(subjects, truth))


def write_benchmarks(root: Path) -> None:
    """Two of Snakemake's benchmark files."""
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, seconds in (("encode/bunny/streams/sub-01", 41.2), ("decode/haxby/x/sub-1", 3.5)):
        path = root / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        line = f"{seconds}\t0:00:41\t812.5\t1\t1\t1\t0\t0\t97.0\t{seconds}\n"
        path.write_text(header + line)
