"""Hold the methods text of a whole study against what the files of its results hold.

Each fact is a pattern, and the numbers or words that it must have in the text: those of all files,
and none where it is true of no file. So what is missing is found like what is wrong.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from helpers import run_claims
from helpers.encoding_facts import NEVER, number
from helpers.encoding_facts import facts as encoding_facts
from tristream.align.samples import read_samples
from tristream.bold.run_file import Run, read_run
from tristream.config.load import load
from tristream.decode.decoding_file import read_decoding
from tristream.decode.mass_univariate_file import read_mass_univariate
from tristream.decode.profile_file import read_profile
from tristream.encode.encoding_file import read_encoding
from tristream.features.core.feature_file import open_features
from tristream.inference.encoding import (
    BlocksOfPrediction,
    FeaturesOfUnits,
    RefittedFeatures,
    RefittedFolds,
    ShiftedPrediction,
)
from tristream.inference.group_file import read_group
from tristream.inference.inference_file import MANY, Draws, read_inference
from tristream.inference.intersubject_file import read_intersubject
from tristream.networks.regimes_file import read_regimes
from tristream.report.methods import gather
from tristream.report.references import library, short
from tristream.report.study_results import Results
from tristream.results import PLACES
from tristream.stimuli.tables import read_inventory, read_leakage, read_splits

Fact = tuple[str, set[tuple]]
FILTER = r"cosines of a high-pass filter"
COMPARED = {"overlap", "gap", "picture", "sound"}
NULLS = {
    BlocksOfPrediction.null: "of the prediction within",
    ShiftedPrediction.null: "shifting the prediction in a circle",
    RefittedFolds.null: "of the BOLD within",
    FeaturesOfUnits.null: "times and weights as they were",
    RefittedFeatures.null: "times and BOLD as they were",
}
PROCEDURES = {"bh": "Benjamini and Hochberg [", "by": "Benjamini and Yekutieli ["}
MOVED = {
    "item": r"whole items \(each with all its showings\)",
    "block": "whole blocks of one label(?!, within rounds)",
    "round": "whole blocks of one label, within rounds that show every label once",
    "time": "blocks of [0-9.]+ s",
}
EXCHANGED = {
    "item": "(?:an item with all its showings|single presentations)",
    "block": "blocks of one label(?!, within rounds)",
    "round": "blocks of one label, within rounds that show every label once",
    "time": r"time blocks of [\d.]+ s",
}


@dataclass(frozen=True)
class Of:
    """Files of one dataset."""

    results: Results
    dataset: str

    def paths(self, place: str) -> list[Path]:
        """Those of a place."""
        return [path for _, path in self.results.existing(place, dataset=self.dataset)]

    def all(self, place: str, read: Callable[[Path], Any]) -> list[Any]:
        """Those of a place, read."""
        return [read(path) for path in self.paths(place)]

    def runs(self) -> list[Run]:
        """Runs of all subjects."""
        return self.all("bold", lambda path: read_run(path, signal=False))


def study_results(folder: Path, descriptors: Path) -> Results:
    """Results of the finished study in `folder`; the working directory must be there."""
    return Results(load(Path("config.yaml"), descriptors), folder / "results/report")


def text_of(results: Results) -> dict[str, str]:
    """Heading to paragraph, citations as keys again."""
    return {heading: _with_keys(text) for heading, text in gather(results).paragraphs}


def lies(results: Results, text: Mapping[str, str] | None = None) -> list[str]:
    """What the gathered text, or another in its place, gets wrong about the files."""
    text = text_of(results) if text is None else text
    wrong = []
    for dataset in results.resolved.datasets:
        of = Of(results, dataset)
        for heading, facts in FAMILIES.items():
            paragraph = text.get(f"{heading}: {dataset}", "")
            for pattern, wanted in facts(of):
                found = {tuple(map(number, m.groups())) for m in re.finditer(pattern, paragraph)}
                if found != wanted:
                    wrong.append(f"{heading}: {dataset}: {pattern}: says {found}, is {wanted}")
        wrong += _confounds(of, text[f"Data: {dataset}"])
        everything = " ".join(p for h, p in text.items() if h.endswith(f": {dataset}"))
        if of.runs() and ("simulated" in everything.lower()) != any(r.simulated for r in of.runs()):
            wrong.append(f"{dataset}: whether it is simulated")
        if not _have_repeats(of):
            wrong += [f"{dataset}: says {words!r}" for words in NEVER if words in everything]
    return wrong


def _with_keys(text: str) -> str:
    keys = {short(key): f"@{key}" for key in library().entries}

    def cited(match: re.Match[str]) -> str:
        parts = match[1].split("; ")
        return f"[{'; '.join(keys[p] for p in parts)}]" if set(parts) <= set(keys) else match[0]

    return re.sub(r"\(([^()]*)\)", cited, text)


def _when(condition: object, *values: object) -> set[tuple]:
    """A fact that is there, or not."""
    return {values} if condition else set()


def _each(values: Iterable[object]) -> set[tuple]:
    return {(value,) for value in values}


def _held(runs: Sequence[Run], fact: Callable[[Run], bool]) -> set[tuple]:
    """Of how many runs it is true, as far as the text has to say so: of all without a number."""
    true = sum(fact(run) for run in runs)
    return {(float(true), float(len(runs)))} if 0 < true < len(runs) else set()


def data_facts(of: Of) -> list[Fact]:
    """Subjects, runs, reader, space, trims, scaling and trials: from the runs' files."""
    runs = of.runs()
    # The size is that of the indices of runs.
    listed = runs if of.paths("bold_index") else []
    rows: list[Fact] = [
        (r"(\d+) subjects?, ", _when(listed, float(len({run.subject for run in listed})))),
        (r"\d+ subjects?, (\d+) runs?", _when(listed, float(len(listed)))),
        (r" runs?, TR ([\d.]+) s", _each({float(f"{run.tr:g}") for run in listed})),
        (
            r"in the space ([\w-]+)",
            _each({run.space for run in runs if _has_space(run)}),
        ),
        (r"(?:Outputs of fMRIPrep|with fMRIPrep's names and layout in)", _reads(of, "fmriprep")),
        (r"aw BOLD was resampled", _reads(of, "fmriprep_minimal", "raw")),
        (r"(?:SPM had preprocessed|with the names of SPM's outputs)", _reads(of, "spm")),
        (r"a table that names the run of each volume", _reads(of, "volume_table")),
        (r"image of a continuous scan", _reads(of, "scan")),
        (r"no confounds were", _when(any(not run.confound_names for run in runs))),
        (FILTER, _when(any(_is_filtered(run) for run in runs))),
        (
            r"the first (\d+)[^.]* volumes were left out",
            _each({float(_first(run)) for run in runs if run.trials is None and _first(run)}),
        ),
        (
            r"(\d+) trials of a run",
            _each({float(run.trials.averaged.sum()) for run in runs if run.trials}),
        ),
    ]
    rows += [
        (claim, _when(any(map(fact, runs))))
        for claim, fact in run_claims.FACTS.items()
        if claim != "[Ss]imulated"
    ]
    # A sentence that only some runs have is followed by how many.
    some = r"[^.]*?(?:\.\d[^.]*?)*\((\d+) of (\d+) runs"
    rows += [
        (rf"{FILTER}{some}", _held(runs, _is_filtered)),
        (rf"no confounds were{some}", _held(runs, lambda run: not run.confound_names)),
        (rf"Censored were{some}", _held(runs, run_claims.FACTS["Censored were"])),
    ]
    return rows


def _reads(of: Of, *kinds: str) -> set[tuple]:
    return _when(of.results.resolved.datasets[of.dataset].layout.kind in kinds)


def _has_space(run: Run) -> bool:
    """Whether it was brought to a standard space, or read in one, by or like fMRIPrep."""
    return "head motion" in run.sources or "fMRIPrep" in run.sources.get("pipeline", "")


def _is_filtered(run: Run) -> bool:
    return any(name.startswith("cosine") for name in run.confound_names)


def _first(run: Run) -> int:
    return round((run.time[0] - run.start_time) / run.tr)


def _confounds(of: Of, text: str) -> list[str]:
    """Names in each list of confounds are those of some runs' files, and no run's are missing."""
    named = {
        frozenset(run_claims.confound_list(words))
        for words in re.findall(r"and confounds \((.*?)\) were projected", text)
    }
    wanted = {frozenset(run_claims.confounds_of(run)) for run in of.runs() if run.confound_names}
    return [] if named == wanted else [f"{of.dataset}: confounds: says {named}, is {wanted}"]


def stimuli_facts(of: Of) -> list[Fact]:
    """What leakage was looked for, what was held out, and which rows are samples."""
    if not of.paths("leakage"):
        return []
    (found,), (listed,) = of.all("leakage", read_leakage), of.all("inventory", read_inventory)
    (splits,) = of.all("splits", read_splits)
    counts = found.table["check"].value_counts()
    findings = int(sum(counts.get(check, 0) for check in COMPARED))
    compared = _compared_kinds(listed.table, splits.table)
    senses = {c["check"] for c in found.checked if c.get("window_pairs")}
    with_files = {one.stimulus for one in listed.stimuli}
    pictures = listed.table[listed.table["kind"] == "image"]
    by_checksum = set(pictures["stimulus"]) <= with_files
    rows: list[Fact] = [
        (f"Test (?:[a-z]+ and )?{kind}s (?:and [a-z]+ )?were compared", _when(kind in compared))
        for kind in ("film", "sound")
    ]
    rows += [
        (r"image was compared .* by the checksum", _when("image" in compared and by_checksum)),
        (r"image was compared .* by name", _when("image" in compared and not by_checksum)),
        (r"in picture \(", _when("picture" in senses)),
        (r"in sound \(", _when("sound" in senses)),
        (
            r"training image were also compared in picture",
            _when(any(c.get("image_pairs") for c in found.checked)),
        ),
        (r"No test stimulus was found", _when(compared and not findings)),
        (r"([\d,]+) findings? \(", _when(findings, float(findings))),
        (r"findings? \([^.]*kept", _when(findings and not found.drop)),
        (r"findings? \([^.]*dropped", _when(found.drop)),
        (r"Of the labels, ", _when(found.labels)),
        (r"Whether labels follow from time was tested", _when(found.baseline)),
        (r"They do not\.", _when(found.baseline and not any(b["flagged"] for b in found.baseline))),
        (r"it named", _when(any(b["flagged"] for b in found.baseline))),
        (r"Known of the dataset, and not tested here", _when("known" in counts)),
    ]
    return [*rows, *_sample_facts(of)]


def _compared_kinds(events: pd.DataFrame, splits: pd.DataFrame) -> set[str]:
    joined = events.merge(splits, on=["timeline", "run"])
    kinds = set()
    for kind, own in joined[joined["kind"] != "label"].groupby("kind"):
        shown = set(own["split"])
        if {"train", "test"} <= shown or ("each" in shown and own["run"].nunique() > 1):
            kinds.add(str(kind))
    return kinds


def _have_repeats(of: Of) -> bool:
    """Whether some test runs show the same in one order."""
    tables = [splits.table.dropna(subset=["repeat"]) for splits in of.all("splits", read_splits)]
    groups = [table.groupby(["timeline", "repeat"])["run"].nunique() for table in tables]
    return any((runs > 1).any() for runs in groups)


def _sample_facts(of: Of) -> list[Fact]:
    tables = [table for table, _ in of.all("samples", read_samples)]
    if not tables:
        return []
    tables = [table.replace({"": None}) for table in tables]
    used = [table[table["keep"]] for table in tables]
    runs = [table.groupby("split")["run"].nunique() for table in used]
    each = {(float(n["each"]),) for n in runs if "each" in n}
    held = {(float(n["train"]), float(n["test"])) for n in runs if "train" in n}
    trials = [run.trials for run in of.runs() if run.trials is not None]
    meant = any((own.averaged > 1).any() for own in trials)
    joined = any(table["average"].notna().any() for table in used)
    units = of.results.resolved.datasets[of.dataset].exchange.unit
    exchanged = any(table["unit"].notna().any() for table in used)
    return [
        (r"Each of (\d+) runs was held out in turn \(leave-one-run-out\)", each),
        (r"(\d+) runs? (?:were|was) used for training, and (\d+) (?:were|was) held out", held),
        (r"same stimuli at the same times are repeats", _when(_have_repeats(of))),
        (r"trials of one item were averaged over the training runs", _when(joined)),
        (r"averaged over their trials of a run", _when(meant and not joined)),
        (r"Samples are single trials", _when(trials and not meant and not joined)),
        (r"Samples are the volumes within events", _when(not trials)),
        (r"Censored \w+ are not samples", _when(any(t["censor"].any() for t in tables))),
        *(
            (f"that permutations move is {words}, within", _when(exchanged and unit == units))
            for unit, words in EXCHANGED.items()
        ),
    ]


def feature_facts(of: Of) -> list[Fact]:
    """Columns of every layer."""
    layers = set()
    for one, path in of.results.existing("features", dataset=of.dataset):
        with open_features(path) as features:
            columns = features.width
        layers.add((one["layer"], one["space"], float(columns)))
    return [(r"Layer (\w+) of (\w+) has ([\d,]+) columns?", layers)]


def encoding_rows(of: Of) -> list[Fact]:
    """Features, search, scheme, scores and ceiling of every model."""
    rows: dict[str, set[tuple]] = {}
    for encoding, _ in of.all("encoding", read_encoding):
        for pattern, fact in encoding_facts(encoding):
            rows.setdefault(pattern, set()).update(set() if fact is None else {fact})
    return [*rows.items()]


def _short(draws: Draws) -> bool:
    """Whether permutations ran out for voxels that need more."""
    return bool(draws.no_tail or draws.tail.any())


def _together(draws: Draws) -> bool:
    """Whether voxels can be significant with others alone."""
    return 1 < draws.fewest <= len(draws.permutations)


def inference_facts(of: Of) -> list[Fact]:
    """Tests of each model, and the group, which is not there without its file."""
    found = of.all("inference", read_inference)
    tested = [one for one, _ in found if one.found is not None]
    refused = [o.why for one, p in found if one.found is None for o in p.omitted if o.what == "p"]
    shared = of.all("intersubject", read_intersubject)
    places = [place for place in PLACES if PLACES[place].kind == "group"]
    groups = [group for place in places for group, _ in of.all(place, read_group)]
    means = [(g.voxels or g.regions).means for g in groups]
    flipped = [one.people for one in means if one.people is not None]
    moved = [one.stimuli for one in means if one.stimuli is not None]
    shifted = [one for one in tested if one.null == ShiftedPrediction.null]
    rows: list[Fact] = [
        (
            r"\(([\d,]+) rearrangements, drawn at random",
            _each(
                {float(one.n_permutations) for one in tested if one not in shifted}
                | {float(one.used) for one in moved}
            ),
        ),
        (
            r"rearrangements, drawn at random from ([\d,]+) distinct",
            _each(
                {float(one.n_distinct) for one in tested if one.n_distinct < MANY}
                | {float(one.distinct) for one in moved if one.distinct < MANY}
            ),
        ),
        (
            r"rearrangements, drawn at random from more than 10\^15",
            _when(
                [
                    *(t for t in tested if t.n_distinct >= MANY),
                    *(m for m in moved if m.distinct >= MANY),
                ]
            ),
        ),
        (r"to a false discovery rate of ([\d.]+)", _each({one.fdr for one in tested})),
        (r"No p values were computed", _when(refused)),
        (
            r"voxels stopped before the largest number, ([\d,]+)\.",
            _each({float(t.draws.most) for t in tested if t.draws.most > t.n_permutations}),
        ),
        (
            r"than the ([\d,]+) with which a voxel can be significant alone",
            _each({float(t.draws.needed) for t in tested if _short(t.draws)}),
        ),
        (r"A single voxel cannot reach q", _when(any(_together(t.draws) for t in tested))),
        (r"by their mass", _when(any("cluster_mass" in t.spatial for t in tested))),
        (r"threshold-free cluster enhancement", _when(any("tfce" in t.spatial for t in tested))),
        (r"It was therefore widened", _when(any(w > 1.0005 for t in tested for w in t.widening))),
        (
            r"Of (\d+) subjects?, those",
            _each({float(len(g.subjects)) for g in groups if _counts(g)}),
        ),
        (r"share of the population", _when(any(map(_counts, groups)))),
        (r"flipping the signs", _when(flipped)),
        (
            r"test data of each of (\d+) subjects were correlated with the mean of the others",
            {(float(len(one.subjects)),) for one, _ in shared if one is not None},
        ),
        (r"alike in all subjects", _when(moved)),
    ]
    rows += [
        (words, _when(any(one.null == null for one in tested))) for null, words in NULLS.items()
    ]
    rows += [
        (f"procedure of {re.escape(words)}", _when(any(one.procedure == key for one in tested)))
        for key, words in PROCEDURES.items()
    ]
    rows += [
        (
            rf"(?:permuting|features of) {words}",
            _when(any(t.unit == unit for t in tested if t not in shifted)),
        )
        for unit, words in MOVED.items()
    ]
    rows += [(re.escape(f"No p values were computed: {why}."), {()}) for why in refused]
    return rows


def _counts(group: Any) -> bool:
    return group.count is not None


def decoding_facts(of: Of) -> list[Fact]:
    """Samples, scheme and null of every decoder, and what networks learned."""
    across = of.all("across_subjects", read_decoding)
    found = [(d, p.config) for d, p in [*of.all("decoding", read_decoding), *across]]
    held = [(d, c) for d, c in found if d.scheme == "holdout"]
    every = [d for d, _ in found if d.scheme == "leave-one-run-out"]
    grouped = [(d, c) for d, c in found if d.scheme == "groups of runs"]
    tested = [d for d, _ in found if d.p is not None]
    designs = [config["block"] for _, config in found]
    kinds = {kind for one in designs for kind in (one["kind"], *one["members"])}
    train = {run.run for run in of.runs()}
    pairs = [pair for pair, _ in of.all("mass_univariate", read_mass_univariate)]
    spheres = [one for one, _ in of.all("searchlight", read_profile)]
    parts = spheres + [
        one
        for place in ("region_profile", "time_profile")
        for one, _ in of.all(place, read_profile)
    ]
    left_out = [(d, d.subjects) for d, _ in across if d.subjects is not None]
    return [
        (
            r"The ([\d,]+) voxels that all of (\d+) subjects have",
            {(float(d.n_voxels), float(len(each.names))) for d, each in left_out},
        ),
        (
            r"Each of the (\d+) subjects was tested",
            _each({float(len(each.names)) for _, each in left_out}),
        ),
        (
            r"training samples of stimuli that it was tested on \(([\d,]+) left",
            _each({float(d.n_left_out) for d, _ in left_out if d.n_left_out}),
        ),
        (
            r"mm around each of ([\d,]+) voxels \(a searchlight",
            _each({float(len(one.names)) for one in spheres if one.grayordinates is None}),
        ),
        (
            r"mm of each of ([\d,]+) vertices, along the edges of the mesh",
            _each(
                {
                    float(one.grayordinates.on_mesh.sum())
                    for one in spheres
                    if one.grayordinates is not None
                }
            ),
        ),
        (
            r"corrected for all ([\d,]+) \w+ by the largest accuracy under each of ([\d,]+) perm",
            {(float(len(one.names)), float(len(one.largest))) for one in parts},
        ),
        (r"in each of ([\d,]+) voxels whether", _each({float(len(p.t)) for p in pairs})),
        (
            r"under ([\d,]+) permutations of all (\d+) means",
            {(float(p.permutations), 2.0 * len(p.runs)) for p in pairs},
        ),
        (
            r"swapped the two labels within",
            _when(any(np.isfinite(p.within_runs).any() for p in pairs)),
        ),
        (
            r"The (\d+) runs were held out in (\d+) groups",
            {(float(len(d.runs)), float(c["block"]["folds"])) for d, c in grouped},
        ),
        (
            r"majority, of (\d+) classifiers",
            _each({float(len(one["members"])) for one in designs if one["members"]}),
        ),
        (
            r"In each fit the (\d+) of",
            _each({float(one["voxels"]) for one in designs if one["voxels"]}),
        ),
        (r"linear discriminant analysis", _when("lda" in kinds)),
        (r"multinomial logistic regression", _when("logistic" in kinds)),
        (r"Patterns are the covariance", _when(any(len(d.patterns) for d, _ in found))),
        (r"Decoder (\w+) was", _each({d.decoder for d, _ in found})),
        (r"of ([\d,]+) labels?, fitted", _each({float(len(d.classes)) for d, _ in found})),
        (r"a ridge classifier", _when("ridge" in kinds)),
        (r"support vector machine", _when("svm" in kinds)),
        *(
            (
                rf"Decoder (\w+) was (?:(?!Decoder ).)*?fitted to {words}",
                _each({d.decoder for d, c in found if c["block"]["samples"] == samples}),
            )
            for words, samples in (("the mean of the", "blocks"), ("single", "volumes"))
        ),
        (
            r"over the training samples\.",
            _when(any(one["standardize"] == "training" for one in designs)),
        ),
        (r"scaled in their own run", _when(any(o["standardize"] == "run" for o in designs))),
        (
            r"was fitted to (\d+) training runs? and tested on (\d+) held-out",
            {(float(len(train) - len(d.runs)), float(len(d.runs))) for d, _ in held},
        ),
        (r"Each of the (\d+) runs was held out once", _each({float(len(d.runs)) for d in every})),
        (r"under ([\d,]+) random permutations", _each({float(len(d.null)) for d in tested})),
        (r"has no p value", _when(len(tested) < len(found))),
        *network_facts(of),
    ]


NETWORKS = {
    "two_stream": "a network of two streams",
    "lstm": "a recurrent network",
    "crnn": "a convolutional recurrent network",
    "tcn": "a temporal convolutional network",
}


def network_facts(of: Of) -> list[Fact]:
    """Kind, labels, voxels, samples, seeds, regimes and chance of networks of brain and label."""
    read = of.all("network_regimes", read_regimes)
    found = [(one, one.scores["seed"].nunique(), p.config["block"]) for one, p in read]
    runs = len({run.run for run in of.runs()})
    return [
        *(
            (
                rf"Network (\w+) was {words} ",
                _each({n.name for n, *_ in found if n.network == kind}),
            )
            for kind, words in NETWORKS.items()
        ),
        (r"It learned to name (\d+) labels", _each({float(len(n.classes)) for n, *_ in found})),
        (r"predict the ([\d,]+) voxels?", _each({float(len(n.column)) for n, *_ in found})),
        (
            r"([\d,]+) samples? \([\w ]+\) of (\d+) runs? were learned from, and ([\d,]+) of (\d+)",
            {
                (float(n.learnt), float(runs - len(n.test)), float(n.tested), float(len(n.test)))
                for n, *_ in found
            },
        ),
        (r"Each of (\d+) seeds learned labels", _each({float(seeds) for _, seeds, _ in found})),
        *(
            (
                rf"\b{regime} \((?:the|readout)",
                _when(any(regime in n.correlation for n, *_ in found)),
            )
            for regime in ("frozen", "staged", "joint")
        ),
        (
            r"measured by ([\d,]+) permutations of the labels",
            _each({float(block["permutations"]) for *_, block in found}),
        ),
        (r"embedded by t-SNE", _when(any(n.embedding is not None for n, *_ in found))),
        (r"mapped by Grad-CAM", _when(any(n.pictures for n, *_ in found))),
    ]


FAMILIES: Mapping[str, Callable[[Of], list[Fact]]] = {
    "Data": data_facts,
    "Stimuli": stimuli_facts,
    "Features": feature_facts,
    "Encoding": encoding_rows,
    "Inference": inference_facts,
    "Decoding": decoding_facts,
}


def linked(study: Path, copy: Path) -> Path:
    """A copy of a finished study, of links; what is to be changed is first made its own."""
    for path in study.iterdir():
        if path.name == "results":
            shutil.copytree(path.resolve(), copy / "results", copy_function=os.symlink)
        else:
            (copy / path.name).symlink_to(path.resolve())
    return copy


def own(path: Path) -> Path:
    """Put the file in the place of a link to it."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


def plant(path: Path, true: str, lie: str) -> None:
    """Change the sentences of a file, of which at least one must change."""
    side = path.with_suffix(".json") if path.suffix == ".tsv" else path
    own(side)
    if side.suffix == ".json":
        content = json.loads(side.read_text())
        del content["checksum"]  # which a liar would correct
        content["methods"], before = _changed(content["methods"], true, lie), content["methods"]
        side.write_text(json.dumps(content))
    else:
        with h5py.File(side, "r+") as file:
            before = json.loads(file.attrs["methods"])
            file.attrs["methods"] = json.dumps(_changed(before, true, lie))
    assert any(true in sentence for sentence in before), f"{path}: {before}"


def _changed(sentences: Sequence[str], true: str, lie: str) -> list[str]:
    return [text for sentence in sentences if (text := sentence.replace(true, lie))]
