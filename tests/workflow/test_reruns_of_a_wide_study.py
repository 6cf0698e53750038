"""A table of changes, and exactly the rules that each of them reruns, by dry runs.

The study has every layout and every kind of job (`tests/workflow/wide_study`). What is expected was
written from what the jobs do, not read off the workflow.
"""

from typing import Any

import pytest
import yaml

from helpers.wide_study import reruns
from tristream.config.contrast import Contrast
from tristream.config.decoders import Decoder
from tristream.config.feature_spaces import FeatureSpace
from tristream.config.identification import Identification
from tristream.config.inference import Inference
from tristream.config.models import EncodingModel
from tristream.config.networks import JointNetwork
from tristream.config.rsa import Rsa

pytestmark = pytest.mark.xdist_group("wide")

REPORT = {"report"}
# What stands below a fit of the model `streams` of the simulated film, and below any fit.
TESTED = {"inference", "group", "tables", "maps"}
FIT = {"encode"} | TESTED | REPORT
PARTITION = {"partition", "partition_test", "maps"}
STREAMS = FIT | {"compare", "recovery", "identify_by_encoder"} | PARTITION
ALIGNED = {"align", "lagscan"} | STREAMS
DECODED = {"decode"} | REPORT
TRAINED = {"train_network"} | REPORT
AUDITED = {
    "leakage",
    "samples",
    "lagscan",
    "decode",
    "identify",
    "train_network",
    "dissimilarities",
    "rsa",
} | STREAMS
# What is drawn, or chosen, by the stream of a space.
COLOURS = {"maps"} | REPORT
# Below the BOLD of a dataset with a decoder and no encoding model.
DECODED_BOLD = {"check", "bold", "bold_index", "samples"} | DECODED
# Distances of patterns and features, and how they are compared.
COMPARED = {"rsa"} | REPORT
MEASURED = {"dissimilarities"} | COMPARED
# Below the trials of ds001246, which one model is fitted to and images are identified from; trials
# have no lag scan.
TRIALS = {"check", "bold", "bold_index", "align", "samples", "identify"} | MEASURED | FIT
IDENTIFIED = {"identify"} | REPORT
ENCODED = {"identify_by_encoder"} | REPORT

# All keys of a network at once: its block goes to the job as it stands.
OTHER_NETWORK = {
    "network": "tcn",
    "regimes": ["frozen", "joint"],
    "samples": "blocks",
    "test": ["*_run-01"],
    "regions": ["A1"],
    "voxels": 100,
    "delay": 3,
    "inputs": {"frames": 64},
    "training": {"epochs": 5},
    "seeds": 3,
    "seed": 1,
    "permutations": 100,
    "pictures": 1,
}

Change = tuple[str, str, Any, set[str]]
# File, key, new value, rules that rerun.
STUDY: list[Change] = [
    ("config.yaml", "title", "Another", REPORT),
    ("config.yaml", "report", {"sections": ["group", "brains"], "single_file": True}, REPORT),
    ("config.yaml", "keep_weights", False, REPORT),
    ("config.yaml", "leakage", "drop", AUDITED),
    ("config.yaml", "features.cochlea.stream", "dorsal", COLOURS | PARTITION),
    ("config.yaml", "features.cochlea.options", {"channels": 5}, {"features"} | ALIGNED),
    ("config.yaml", "fusion.both.stream", "dorsal", COLOURS),
    (
        "config.yaml",
        "fusion.both.components",
        3,
        {"fusion_fit", "fuse", "align", "lagscan", "compare", "recovery"} | FIT,
    ),
    ("config.yaml", "models.streams.kind", "stacking", STREAMS),
    ("config.yaml", "models.streams.delays", ["1 TR", "2 TR"], STREAMS),
    ("config.yaml", "models.streams.hrf", "spm", STREAMS),
    ("config.yaml", "models.streams.kernels", {"dorsal": "rbf"}, STREAMS),
    ("config.yaml", "models.streams.alphas", {"lowest": -1}, STREAMS),
    ("config.yaml", "models.streams.alphas", {"highest": 4}, STREAMS),
    ("config.yaml", "models.streams.alphas", {"number": 5}, STREAMS),
    ("config.yaml", "models.streams.candidates", 3, STREAMS),
    ("config.yaml", "models.streams.solver", "gradient", STREAMS),
    ("config.yaml", "models.streams.select", "best", STREAMS),
    ("config.yaml", "models.streams.components", 7, STREAMS),
    ("config.yaml", "models.streams.control", "shifted", STREAMS),
    ("config.yaml", "models.streams.seed", 3, STREAMS),
    ("config.yaml", "models.streams.network", {"width": 8}, REPORT),
    ("config.yaml", "decoders.genre.kind", "ridge", DECODED),
    ("config.yaml", "decoders.genre", {"kind": "ensemble", "members": ["svm", "lda"]}, DECODED),
    ("config.yaml", "decoders.genre.voxels", 200, DECODED),
    ("config.yaml", "decoders.genre.folds", 2, DECODED),
    ("config.yaml", "decoders.genre.samples", "volumes", DECODED),
    ("config.yaml", "decoders.genre.standardize", "training", DECODED),
    ("config.yaml", "decoders.genre.regularization", 2, DECODED),
    ("config.yaml", "decoders.genre.delay", 3, DECODED),
    ("config.yaml", "decoders.genre.permutations", 100, DECODED),
    ("config.yaml", "decoders.genre.seed", 1, DECODED),
    ("config.yaml", "decoders.genre.searchlight", 8, {"searchlight"} | REPORT),
    ("config.yaml", "decoders.genre.regions", "all", {"decode_regions"} | REPORT),
    ("config.yaml", "decoders.genre.times", [-2, 10], {"decode_times"} | REPORT),
    # Of two subjects, who are decoded by each other, too.
    (
        "config.yaml",
        "decoders.words",
        {"datasets": ["ds003717"], "kind": "lda", "samples": "blocks", "across_subjects": True},
        {"samples", "group_decoding", "decode_across_subjects"} | DECODED,
    ),
    ("config.yaml", "identification.images.regions", ["V2"], IDENTIFIED),
    ("config.yaml", "identification.images.voxels", 100, IDENTIFIED),
    ("config.yaml", "identification.images.alpha", "cv", IDENTIFIED),
    ("config.yaml", "identification.images.contrastive", {"loss": "siglip"}, IDENTIFIED),
    ("config.yaml", "identification.images.banded", True, IDENTIFIED),
    ("config.yaml", "identification.images.delay", "1 TR", IDENTIFIED),
    ("config.yaml", "identification.images.imagined", ["ses-imageryTest*"], IDENTIFIED),
    ("config.yaml", "identification.images.candidates", "trained", IDENTIFIED),
    ("config.yaml", "identification.images.permutations", 100, IDENTIFIED),
    ("config.yaml", "identification.images.seed", 1, IDENTIFIED),
    ("config.yaml", "identification.responses.delay", "1 TR", ENCODED),
    ("config.yaml", "identification.responses.permutations", 100, ENCODED),
    ("config.yaml", "networks.sounds", OTHER_NETWORK, TRAINED),
    ("config.yaml", "rsa.alike.regions", ["V2"], MEASURED),
    ("config.yaml", "rsa.alike.items", "all", MEASURED),
    ("config.yaml", "rsa.alike.imagined", ["ses-imageryTest*"], MEASURED),
    ("config.yaml", "rsa.alike.delay", "1 TR", MEASURED),
    ("config.yaml", "rsa.alike.distance", "crossvalidated", MEASURED),
    ("config.yaml", "rsa.alike.feature_distance", "euclidean", MEASURED),
    ("config.yaml", "rsa.alike.comparison", "kendall", COMPARED),
    ("config.yaml", "rsa.alike.permutations", 100, COMPARED),
    ("config.yaml", "rsa.alike.seed", 1, COMPARED),
    ("config.yaml", "contrasts.sounds.plus", ["sentence"], {"contrast", "contrast_maps"} | REPORT),
    ("config.yaml", "contrasts.sounds.minus", [], {"contrast", "contrast_maps"} | REPORT),
    ("config.yaml", "contrasts.sounds.duration", 1, {"contrast", "contrast_maps"} | REPORT),
    ("config.yaml", "contrasts.sounds.hrf", "glover", {"contrast", "contrast_maps"} | REPORT),
    ("config.yaml", "contrasts.sounds.noise", "ols", {"contrast", "contrast_maps"} | REPORT),
    ("config.yaml", "contrasts.sounds.threshold", 5, {"contrast_maps"} | REPORT),
    (
        "config.yaml",
        "inference.permutations",
        500,
        TESTED | {"compare", "partition_test", "power", "recovery"} | REPORT,
    ),
    (
        "config.yaml",
        "inference.seed",
        5,
        TESTED | {"compare", "partition_test", "power", "recovery"} | REPORT,
    ),
    ("config.yaml", "inference.null", "shift", TESTED | REPORT),
    (
        "config.yaml",
        "inference.most_permutations",
        2000,
        TESTED | {"compare", "partition_test", "power"} | REPORT,
    ),
    ("config.yaml", "inference.spatial", ["tfce"], TESTED | REPORT),
    ("config.yaml", "inference.cluster_z", 2.3, TESTED | REPORT),
    (
        "config.yaml",
        "inference.fdr",
        0.1,
        TESTED | {"compare", "partition_test", "power"} | REPORT,
    ),
    (
        "config.yaml",
        "inference.procedure",
        "by",
        TESTED | {"compare", "partition_test", "power"} | REPORT,
    ),
    ("config.yaml", "inference.partition", {"streams": ["dorsal"]}, PARTITION | REPORT),
    ("config.yaml", "power.sounds.effects", [0.3], {"power"} | REPORT),
    ("config.yaml", "power.sounds.tr", 2.0, {"power"} | REPORT),
]
BUNNY, OBJECTS, WORDS, MUSIC = (
    f"workflow/datasets/{name}.yaml" for name in ("bunny", "ds001246", "ds003717", "ds003720")
)
FACES, SLICE, LOCALIZER = (
    f"workflow/datasets/{name}.yaml" for name in ("ds000105", "haxby2001_slice", "localizer")
)
DESCRIPTORS: list[Change] = [
    *(
        (file, key, "Another.", REPORT)
        for file in (BUNNY, OBJECTS, WORDS, MUSIC, FACES, SLICE, LOCALIZER)
        for key in ("title", "licence", "citation", "credit")
    ),
    *((file, "stimuli.get", "Another place.", REPORT) for file in (OBJECTS, MUSIC)),
    (BUNNY, "exchange.seconds", 40, {"samples", "lagscan"} | STREAMS),
    (FACES, "layout.confounds", ["motion"], DECODED_BOLD),
    (FACES, "trims", {"start": 2}, DECODED_BOLD),
    (FACES, "exchange.unit", "item", {"inventory", "leakage", "check"} | {"samples"} | DECODED),
    (WORDS, "layout.slice_timing", True, {"check", "bold", "bold_index"} | REPORT),
    (WORDS, "layout.resolution", 4.0, {"check", "bold", "bold_index"} | REPORT),
    (WORDS, "events.duration", 1.0, {"check", "inventory", "leakage"} | REPORT),
    (
        MUSIC,
        "layout.distortion",
        False,
        {"check", "bold", "bold_index", "align", "lagscan", "samples", "decode"} | TRAINED | FIT,
    ),
    (OBJECTS, "layout.high_pass", 100.0, TRIALS),
    (OBJECTS, "trials.shift", 2.0, TRIALS),
    (OBJECTS, "trials.noise_components", 5, TRIALS),
    (
        OBJECTS,
        "stimuli.known_leaks",
        ["Another."],
        {"leakage", "samples", "identify"} | MEASURED | FIT,
    ),
]
# Everything of a dataset that is simulated anew from other features of its film.
SIMULATED = (
    {"simulate", "fetch_dataset", "fetch_subject", "check", "inventory", "leakage"}
    | {"bold", "bold_index", "samples", "fusion_fit", "fuse"}
    | ALIGNED
)
# Below the BOLD of every dataset, and of those that fMRIPrep's minimal outputs are resampled for.
ALL_BOLD = {
    "check",
    "bold",
    "bold_index",
    "samples",
    "decode",
    "identify",
    "train_network",
    "dissimilarities",
    "rsa",
    "contrast",
    "contrast_maps",
} | ALIGNED
RESAMPLED = {"check", "bold", "bold_index", "align", "lagscan", "samples", "decode"} | TRAINED | FIT
OPENED = {"features", "decode", "identify", "train_network"} | MEASURED | SIMULATED
MEDIA = {"contrast", "contrast_maps"} | OPENED
# A module to which a constant is appended, and the rules that rerun.
CODE: list[tuple[str, set[str]]] = [
    ("align/delays.py", {"power"} | STREAMS),
    ("align/aligned.py", {"power", "identify"} | MEASURED | ALIGNED),
    ("bold/cleaning.py", {"power"} | ALL_BOLD),
    ("bold/run_file.py", {"power"} | ALL_BOLD),
    ("bold/trials.py", {"power"} | TRIALS),
    ("bold/readers/spm.py", TRIALS),
    ("bold/readers/fmriprep_minimal.py", RESAMPLED),
    ("bold/resampling/sampling.py", RESAMPLED),
    ("config/decoders.py", {"power"} | DECODED),
    ("config/models.py", {"power"} | STREAMS),
    # The report is given the whole study.
    ("config/study.py", REPORT),
    ("config/dataset.py", REPORT),
    ("contrast/contrast_fit.py", {"contrast", "contrast_maps"} | REPORT),
    ("decode/classifiers.py", {"power"} | DECODED),
    ("decode/label_exchange.py", {"power"} | DECODED),
    ("decode/unit_ridge.py", ENCODED | IDENTIFIED | MEASURED),
    ("decode/pattern_reliability.py", ENCODED | IDENTIFIED | MEASURED),
    ("rsa/noise_ceiling.py", COMPARED),
    # Regions as bands are fitted by the estimators that encoders have.
    ("encode/solvers/ridge.py", {"power"} | STREAMS | IDENTIFIED),
    ("decode/banded_decoder.py", ENCODED | IDENTIFIED),
    # Contrasts are drawn by what draws encodings, which knows their ceilings.
    ("encode/ceiling.py", {"power", "contrast_maps"} | STREAMS),
    ("encode/joint_training.py", TRAINED),
    ("networks/network_inputs.py", TRAINED),
    ("encode/partition/variance.py", PARTITION | REPORT),
    ("features/spaces/gammatone.py", {"features"} | ALIGNED),
    ("features/spaces/optical_flow/fields.py", {"features"} | SIMULATED),
    ("features/core/extraction.py", {"features", "identify"} | MEASURED | SIMULATED),
    (
        "features/fusion/embedding.py",
        {"fusion_fit", "fuse", "align", "lagscan", "compare"} | {"recovery"} | FIT,
    ),
    (
        "inference/permutation.py",
        TESTED | {"compare", "partition_test", "recovery", "power"} | REPORT,
    ),
    ("inference/widening.py", TESTED | {"compare", "recovery", "power"} | REPORT),
    ("inference/resolution.py", TESTED | {"compare", "partition_test", "power"} | REPORT),
    ("inference/spatial.py", TESTED | REPORT),
    ("inference/group.py", {"group"} | REPORT),
    ("inference/people.py", {"group", "power"} | REPORT),
    ("maps/brain_figures.py", {"maps", "contrast_maps"} | REPORT),
    ("maps/strips.py", REPORT),
    ("media/films.py", OPENED),
    ("media/sounds.py", MEDIA),
    ("media/clocks.py", MEDIA),
    ("media/containers.py", MEDIA),
    ("power/detection.py", {"power"} | REPORT),
    ("report/build.py", REPORT),
    ("simulate/noise.py", SIMULATED),
    ("space/atlas.py", {"regions", "contrast_maps"} | SIMULATED),
    ("stimuli/leakage.py", AUDITED),
    # What decides where bytes come from and go, and how a mistake is worded.
    ("cli/encode.py", set()),
    ("errors/__init__.py", set()),
    ("fetch/clone.py", set()),
    ("results/__init__.py", set()),
    ("store/__init__.py", set()),
    ("targets.py", set()),
]


# Keys that decide which jobs there are, one that goes with another, and one whose change is
# another test's.
OTHER_JOBS = {
    *("features.cochlea.extractor", "features.cochlea.layers", "features.cochlea.module"),
    *("models.streams.datasets", "models.streams.bands", "decoders.genre.datasets"),
    *("identification.images.datasets", "identification.images.features"),
    "identification.images.model",
    *("rsa.alike.datasets", "rsa.alike.features"),
    "networks.sounds.datasets",
    "decoders.genre.members",
    # Its dataset has one subject; of another decoder it is tried.
    "decoders.genre.across_subjects",
    *("contrasts.sounds.datasets", "inference.comparisons", "inference.regions"),
}
SECTIONS = {
    "features.cochlea": FeatureSpace,
    "models.streams": EncodingModel,
    "decoders.genre": Decoder,
    "identification.images": Identification,
    "networks.sounds": JointNetwork,
    "rsa.alike": Rsa,
    "contrasts.sounds": Contrast,
    "inference": Inference,
}


def test_every_key_of_an_analysis_is_in_the_table():
    tried = {key for _, key, _, _ in STUDY} | {f"networks.sounds.{key}" for key in OTHER_NETWORK}
    keys = {f"{name}.{key}" for name, block in SECTIONS.items() for key in block.model_fields}
    assert keys - tried - OTHER_JOBS == set()
    assert keys - tried >= OTHER_JOBS


def _changed(text: str, key: str, value: Any) -> str:
    content = yaml.safe_load(text)
    *parents, last = key.split(".")
    block = content
    for parent in parents:
        block = block.setdefault(parent, {})
    if isinstance(value, dict) and isinstance(block.get(last), dict) and last != "partition":
        value = {**block[last], **value}
    assert block.get(last) != value
    block[last] = value
    return yaml.safe_dump(content, sort_keys=False)


@pytest.fixture(scope="module")
def found(wide_study) -> dict[str, set[str]]:
    """Every change, as text, with the rules that it reruns."""
    folder, code = wide_study
    names, changes = ["nothing"], [{}]
    for file, key, value, _ in [*STUDY, *DESCRIPTORS]:
        path = (folder if file == "config.yaml" else code) / file
        names.append(f"{file}: {key}: {value}")
        changes.append({path: _changed(path.read_text(), key, value)})
    for file, _ in CODE:
        path = code / "src/tristream" / file
        names.append(file)
        changes.append({path: path.read_text() + "\nCHANGED = 1\n"})
    jobs = reruns(folder, code, changes)
    return {name: set(one) for name, one in zip(names, jobs, strict=True)}


def test_nothing_is_rerun_for_nothing(found):
    assert found["nothing"] == set()


@pytest.mark.parametrize(("file", "key", "value", "expected"), [*STUDY, *DESCRIPTORS])
def test_a_changed_key_reruns_what_reads_it(found, file, key, value, expected):
    assert found[f"{file}: {key}: {value}"] == expected


@pytest.mark.parametrize(("file", "expected"), CODE)
def test_changed_code_reruns_what_runs_it(found, file, expected):
    assert found[file] == expected
