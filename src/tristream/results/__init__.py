"""Where every file of a study lies, what kind it is, and which module alone writes and opens it.

The rules, the command line, the report and ``docs/files.md`` take paths from here. A place is a
pattern below the results folder with Snakemake's wildcards; its log and benchmark have the same
name below ``logs/`` and ``benchmarks/``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Kind:
    """What a file holds.

    Attributes
    ----------
    name : str
        What the file says of itself (its attribute ``kind``).
    home : str
        The module that alone writes and opens it.
    computed : bool
        Whether its writer did something that a methods section has to tell; then the file must
        carry the sentences (``Provenance.methods``).
    """

    name: str
    home: str
    computed: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        Kind("receipt", "tristream.fetch.receipt"),
        Kind("dropped", "tristream.fetch.receipt"),
        Kind("inventory", "tristream.stimuli.tables"),
        Kind("splits", "tristream.stimuli.tables"),
        Kind("leakage", "tristream.stimuli.tables", computed=True),
        Kind("genre-network", "tristream.genre.network_folder", computed=True),
        Kind("features", "tristream.features.core.feature_file", computed=True),
        Kind("fusion", "tristream.features.fusion.fused_file", computed=True),
        Kind("checked", "tristream.bold.check_subject"),
        Kind("timing", "tristream.bold.timing"),
        Kind("normalisation", "tristream.bold.registration.registration_file"),
        Kind("registration", "tristream.bold.registration.registration_file"),
        Kind("trial-model", "tristream.bold.trial_model_file", computed=True),
        Kind("bold", "tristream.bold.run_file", computed=True),
        Kind("bold-index", "tristream.bold.index_file"),
        Kind("aligned", "tristream.align.aligned", computed=True),
        Kind("samples", "tristream.align.samples", computed=True),
        Kind("lagscan", "tristream.align.lagscan"),
        Kind("encoding", "tristream.encode.encoding_file", computed=True),
        Kind("dual-weights", "tristream.encode.dual_weights"),
        Kind("weights", "tristream.encode.band_responses"),
        Kind("selection", "tristream.encode.selection_table"),
        Kind("prediction", "tristream.encode.predict"),
        Kind("partition", "tristream.encode.partition.partition_file", computed=True),
        Kind("decoding", "tristream.decode.decoding_file", computed=True),
        Kind("identification", "tristream.decode.identification_file", computed=True),
        Kind("decoding-profile", "tristream.decode.profile_file", computed=True),
        Kind("network-regimes", "tristream.networks.regimes_file", computed=True),
        Kind("mass-univariate", "tristream.decode.mass_univariate_file", computed=True),
        Kind("dissimilarities", "tristream.rsa.dissimilarity_file", computed=True),
        Kind("rsa", "tristream.rsa.similarity_table", computed=True),
        Kind("contrast", "tristream.contrast.contrast_file", computed=True),
        Kind("contrast-table", "tristream.contrast.contrast_file", computed=True),
        Kind("inference", "tristream.inference.inference_file", computed=True),
        Kind("partition-test", "tristream.inference.tested_partition_file", computed=True),
        Kind("comparison", "tristream.inference.comparison_file", computed=True),
        Kind("group", "tristream.inference.group_file", computed=True),
        Kind("intersubject", "tristream.inference.intersubject_file", computed=True),
        Kind("regions-table", "tristream.inference.table_files"),
        Kind("clusters-table", "tristream.inference.table_files"),
        Kind("regions", "tristream.space.atlas"),
        Kind("recovery", "tristream.inference.recovery_file"),
        Kind("power", "tristream.power.power_file"),
        Kind("truth", "tristream.simulate.truth_file", computed=True),
        Kind("synthetic-truth", "tristream.simulate.synthetic.synthetic_truth", computed=True),
        Kind("maps", "tristream.maps.map_list"),
        Kind("map", "tristream.maps.map_images"),
        Kind("map-table", "tristream.maps.map_tables"),
        Kind("figure", "tristream.report.study_results"),
        Kind("report", "tristream.report.build"),
    )
}


@dataclass(frozen=True)
class Place:
    """A file of the results folder: its pattern, and its kind (empty: none of ours)."""

    name: str
    pattern: str
    kind: str = ""


PLACES = {
    place.name: place
    for place in (
        Place("dataset", "fetch/{dataset}/dataset.json", "receipt"),
        Place("receipt", "fetch/{dataset}/sub-{subject}/receipt.json", "receipt"),
        Place("dropped", "fetch/{dataset}/sub-{subject}/dropped.json", "dropped"),
        Place("stimuli_receipt", "fetch/{dataset}/stimuli/receipt.json", "receipt"),
        Place("weights", "fetch/weights/{space}/receipt.json", "receipt"),
        Place("preset_atlas", "fetch/atlas/{preset}/receipt.json", "receipt"),
        Place("atlas", "fetch/regions/receipt.json", "receipt"),
        Place("meshes", "fetch/meshes/receipt.json", "receipt"),
        Place("commit", "simulate/{dataset}/commit.txt"),
        Place("truth", "simulate/{dataset}/truth.h5", "truth"),
        Place("inventory", "stimuli/{dataset}/inventory.tsv", "inventory"),
        Place("splits", "stimuli/{dataset}/splits.tsv", "splits"),
        Place("leakage", "stimuli/{dataset}/leakage.tsv", "leakage"),
        Place("features", "features/{dataset}/{space}/{layer}.h5", "features"),
        Place("fusion", "fusion/{dataset}/{fused}.h5", "fusion"),
        Place("fused", "features/{dataset}/{fused}/{layer}.h5", "features"),
        Place("checked", "bold/{dataset}/sub-{subject}/checked.json", "checked"),
        Place("timing", "bold/{dataset}/timing.json", "timing"),
        Place("normalisation", "registration/{dataset}/sub-{subject}.h5", "normalisation"),
        Place("registration", "registration/{dataset}/sub-{subject}/{run}.h5", "registration"),
        Place("trial_volumes", "trials/{dataset}/sub-{subject}/{run}.h5", "bold"),
        Place("trial_model", "trials/{dataset}/sub-{subject}.h5", "trial-model"),
        Place("bold", "bold/{dataset}/sub-{subject}/{run}.h5", "bold"),
        Place("bold_index", "bold/{dataset}/sub-{subject}/index.json", "bold-index"),
        Place("aligned", "align/{dataset}/{timeline}/{space}/{layer}.h5", "aligned"),
        Place("samples", "align/{dataset}/sub-{subject}_samples.tsv", "samples"),
        Place("lagscan", "align/{dataset}/sub-{subject}_lagscan.h5", "lagscan"),
        Place("encoding", "encode/{dataset}/{model}/sub-{subject}.h5", "encoding"),
        Place("dual_weights", "encode/{dataset}/{model}/sub-{subject}_weights.h5", "dual-weights"),
        Place("responses", "encode/{dataset}/{model}/sub-{subject}_responses.tsv", "weights"),
        Place("selection", "encode/{dataset}/sub-{subject}_selection.tsv", "selection"),
        Place("partition", "partition/{dataset}/{model}/sub-{subject}.h5", "partition"),
        Place("decoding", "decode/{dataset}/{decoder}/sub-{subject}.h5", "decoding"),
        Place("across_subjects", "decode/{dataset}/{decoder}/across_subjects.h5", "decoding"),
        Place(
            "searchlight",
            "decode/{dataset}/{decoder}/sub-{subject}_searchlight.h5",
            "decoding-profile",
        ),
        Place(
            "region_profile",
            "decode/{dataset}/{decoder}/sub-{subject}_regions.h5",
            "decoding-profile",
        ),
        Place(
            "time_profile",
            "decode/{dataset}/{decoder}/sub-{subject}_times.h5",
            "decoding-profile",
        ),
        Place(
            "identification",
            "decode/{dataset}/{identification}/sub-{subject}_identification.tsv",
            "identification",
        ),
        Place(
            "identification_sets",
            "decode/{dataset}/{identification}/sub-{subject}_candidate_sets.tsv",
            "identification",
        ),
        Place(
            "network_regimes",
            "decode/{dataset}/{network}/sub-{subject}_regimes.h5",
            "network-regimes",
        ),
        Place(
            "mass_univariate",
            "decode/{dataset}/{pair}/sub-{subject}_univariate.h5",
            "mass-univariate",
        ),
        Place("dissimilarities", "rsa/{dataset}/{rsa}/sub-{subject}.h5", "dissimilarities"),
        Place("rsa", "rsa/{dataset}/{rsa}/similarity.tsv", "rsa"),
        Place("contrast", "contrast/{dataset}/{contrast}/sub-{subject}.h5", "contrast"),
        Place(
            "contrast_table",
            "contrast/{dataset}/{contrast}/sub-{subject}_regions.tsv",
            "contrast-table",
        ),
        Place("group_partition", "partition/{dataset}/{model}/group_{band}.h5", "group"),
        Place(
            "group_comparison",
            "inference/{dataset}/comparisons/{first}/{second}/group.h5",
            "group",
        ),
        Place("group_decoding", "decode/{dataset}/{decoder}/group.h5", "group"),
        Place("group_contrast", "contrast/{dataset}/{contrast}/group.h5", "group"),
        Place("inference", "inference/{dataset}/{model}/sub-{subject}.h5", "inference"),
        Place(
            "comparison",
            "inference/{dataset}/comparisons/{first}/{second}/sub-{subject}.h5",
            "comparison",
        ),
        Place(
            "partition_test",
            "inference/{dataset}/{model}/sub-{subject}_partition.h5",
            "partition-test",
        ),
        Place("group", "inference/{dataset}/{model}/group.h5", "group"),
        Place("intersubject", "inference/{dataset}/intersubject.h5", "intersubject"),
        Place(
            "region_table",
            "inference/{dataset}/{model}/sub-{subject}_regions.tsv",
            "regions-table",
        ),
        Place(
            "cluster_table",
            "inference/{dataset}/{model}/sub-{subject}_clusters.tsv",
            "clusters-table",
        ),
        Place("regions", "inference/regions.h5", "regions"),
        Place("recovery", "inference/{dataset}/recovery.tsv", "recovery"),
        Place("power", "power/{power}.h5", "power"),
        Place("power_table", "power/{power}.tsv", "power"),
        Place("maps", "maps/{dataset}/{model}/sub-{subject}/maps.json", "maps"),
        Place("group_maps", "maps/{dataset}/{model}/group/maps.json", "maps"),
        Place("group_contrast_maps", "maps/{dataset}/{contrast}/group/maps.json", "maps"),
        Place("contrast_maps", "maps/{dataset}/{contrast}/sub-{subject}/maps.json", "maps"),
        Place("report", "report"),
        Place("report_files", "report/files.json", "report"),
    )
}


class Layout:
    """Paths below one results folder.

    Parameters
    ----------
    root : str or Path
        The folder, as ``results:`` of the study names it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = str(root)

    @property
    def settings(self) -> str:
        """The folder of the settings that jobs read."""
        return f"{self.root}/.settings"

    def pattern(self, place: str) -> str:
        """The path of a place with its wildcards in braces, as a rule names it."""
        return f"{self.root}/{PLACES[place].pattern}"

    def sidecar(self, place: str) -> str:
        """The pattern of the JSON beside a table."""
        return str(PurePosixPath(self.pattern(place)).with_suffix(".json"))

    def log(self, place: str) -> str:
        """The pattern of the log of the job that writes a place."""
        return f"{self.root}/logs/{_stem(place)}.log"

    def benchmark(self, place: str) -> str:
        """The pattern of the benchmark of the job that writes a place."""
        return f"{self.root}/benchmarks/{_stem(place)}.tsv"

    def path(self, place: str, **wildcards: str) -> Path:
        """The file of a place; raises KeyError where a wildcard has no value."""
        return Path(self.pattern(place).format_map(wildcards))

    def wildcards(self, place: str, path: Path | str) -> dict[str, str] | None:
        """The wildcards by which a place is this path; None if it is not."""
        return _matched(self.pattern(place), path)

    def benchmarked(
        self, path: Path | str, places: Iterable[str]
    ) -> tuple[str, dict[str, str]] | None:
        """Which of some places the job of a benchmark file writes, and its wildcards."""
        found = [
            (len(wildcards), -len(PLACES[place].pattern), place, wildcards)
            for place in places
            if (wildcards := _matched(self.benchmark(place), path)) is not None
        ]
        # A run may be named like another file beside it, never the other way round.
        return min(found)[2:] if found else None


def _matched(pattern: str, path: Path | str) -> dict[str, str] | None:
    """The wildcards by which a pattern is this path; None if it is not."""
    parts = re.split(r"\{(\w+)\}", pattern)
    regex = "".join(
        f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    found = re.fullmatch(regex, str(path))
    return found.groupdict() if found else None


def _stem(place: str) -> str:
    pure = PurePosixPath(PLACES[place].pattern)
    return str(pure.with_suffix("")) if pure.suffix else str(pure)


def markdown() -> str:
    """``docs/paths.md``: every place with its kind and its home."""
    lines = [
        "# Where files lie",
        "",
        "Written by `tristream config reference` from `tristream.results`. Paths are below "
        "`results:` of `config.yaml`;",
        "logs and benchmarks have the same names below `logs/` and `benchmarks/`. "
        "What the kinds hold is in [files.md](files.md).",
        "",
        "| path | kind | written and opened by | has sentences for the methods text |",
        "|---|---|---|---|",
    ]
    for place in PLACES.values():
        kind = KINDS.get(place.kind)
        home, computed = (kind.home, kind.computed) if kind else ("", False)
        cells = (f"`{place.pattern}`", place.kind or "–", f"`{home}`" if home else "–")
        lines.append(f"| {' | '.join(cells)} | {'yes' if computed else ''} |")
    return "\n".join(lines) + "\n"
