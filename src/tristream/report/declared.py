"""Which files the report reads: the inputs of its rule, and all that it opens.

Light, since the rule asks for it while the DAG is parsed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tristream.config.settings.partition import partitioned
from tristream.results import PLACES, Layout
from tristream.simulate.preset import load_preset
from tristream.targets import Targets

if TYPE_CHECKING:
    from tristream.config.load import Resolved
    from tristream.features.core.checked_space import CheckedSpace

Spaces = Mapping[str, "CheckedSpace"]
# Files that a job writes beside another one, by whose name it is measured.
SECOND = ("splits", "cluster_table", "contrast_maps", "power_table", "identification_sets")


@dataclass(frozen=True)
class Input:
    """A file of the results: its place and the wildcards by which it is found."""

    place: str
    wildcards: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, place: str, **wildcards: str) -> "Input":
        """The file of a place."""
        return cls(place, tuple(sorted(wildcards.items())))

    def __getitem__(self, wildcard: str) -> str:
        return dict(self.wildcards)[wildcard]

    def get(self, wildcard: str) -> str:
        """The value of a wildcard, empty if the place has none of this name."""
        return dict(self.wildcards).get(wildcard, "")

    @property
    def kind(self) -> str:
        """What the file holds."""
        return PLACES[self.place].kind

    @property
    def stage(self) -> str:
        """The stage that writes it: the first folder below the results."""
        return PLACES[self.place].pattern.split("/")[0]

    @property
    def is_measured(self) -> bool:
        """Whether Snakemake measures a job under the name of this file.

        A pass of features has a name of its own, and its files hold what it cost.
        """
        return self.place not in (*SECOND, "features")

    def benchmark(self, layout: Layout) -> Path:
        """What Snakemake measures of the job that writes it."""
        return Path(layout.benchmark(self.place).format_map(dict(self.wildcards)))

    def path(self, layout: Layout) -> Path:
        """Where it lies."""
        return layout.path(self.place, **dict(self.wildcards))


def paths(resolved: "Resolved", spaces: Spaces) -> list[str]:
    """Inputs of the rule: every declared file, the sidecar of every table, files of own sections.

    Left out is what Snakemake measured of each job, which the report shows where it is there: as
    an input, a measurement that somebody deleted would repeat the job that it was taken of.
    """
    layout = Layout(resolved.study.results)
    found: dict[Path, None] = {}
    for one in declared(resolved, spaces):
        path = one.path(layout)
        found[path] = None
        if path.suffix == ".tsv":
            found[path.with_suffix(".json")] = None
    own = [section.file for section in resolved.study.report.own.values()]
    return [*(path.as_posix() for path in found), *own]


def declared(resolved: "Resolved", spaces: Spaces) -> list[Input]:
    """Every file that the report may read.

    Parameters
    ----------
    resolved : Resolved
        The study.
    spaces : dict of str to CheckedSpace
        The feature spaces of ``features:``.
    """
    targets = targets_of(resolved, spaces)
    found: list[Input] = []
    for dataset in resolved.datasets:
        found += _of_dataset(targets, dataset)
        for subject in resolved.subjects[dataset]:
            found += _of_subject(targets, dataset, subject)
    for name in resolved.study.power:
        found += [Input.of("power", power=name), Input.of("power_table", power=name)]
    shown = dict.fromkeys(one["space"] for one in found if one.place == "features")
    fetched = [space for space in shown if space in spaces and spaces[space].is_fetched]
    return found + [Input.of("weights", space=space) for space in fetched]


def targets_of(resolved: "Resolved", spaces: Spaces) -> Targets:
    """What the study asks for, with the layers of all spaces, derived ones included."""
    layers = {name: tuple(space.layers) for name, space in spaces.items()}
    layers |= {name: tuple(block.layers) for name, block in resolved.study.fusion.items()}
    return Targets(resolved, layers, "the study")


def _of_dataset(targets: Targets, dataset: str) -> Iterator[Input]:
    resolved, study = targets.resolved, targets.study
    descriptor = resolved.datasets[dataset]
    yield Input.of("dataset", dataset=dataset)
    if descriptor.stimuli.source is not None:
        yield Input.of("stimuli_receipt", dataset=dataset)
    if descriptor.source.kind == "simulate":
        yield Input.of("truth", dataset=dataset)
    for place in ("inventory", "splits", "leakage"):
        yield Input.of(place, dataset=dataset)
    for space, layer in shown_layers(targets, dataset):
        yield Input.of("features", dataset=dataset, space=space, layer=layer)
    for space in dict(shown_layers(targets, dataset)):
        if space in study.fusion:
            yield Input.of("fusion", dataset=dataset, fused=space)
    for timeline in timelines(resolved, dataset):
        for space, layer in aligned_layers(targets, dataset):
            where = {"dataset": dataset, "timeline": timeline, "space": space, "layer": layer}
            yield Input.of("aligned", **where)
    if len(resolved.subjects[dataset]) > 1:
        yield from _of_groups(targets, dataset)
    models = models_of(resolved, dataset)
    if models and descriptor.source.kind == "simulate":
        yield Input.of("recovery", dataset=dataset)
    for model in models:
        yield Input.of("group", dataset=dataset, model=model)
    if models and len(resolved.subjects[dataset]) > 1:
        yield Input.of("intersubject", dataset=dataset)
    for name in rsa_of(resolved, dataset):
        yield Input.of("rsa", dataset=dataset, rsa=name)
    if resolved.needs_meshes(dataset):
        yield Input.of("meshes")


def _of_groups(targets: Targets, dataset: str) -> Iterator[Input]:
    """What several subjects have in common, beside the files of models."""
    study = targets.study
    for model in models_of(targets.resolved, dataset):
        yield Input.of("group_maps", dataset=dataset, model=model)
        if model in study.inference.partition:
            for band in partitioned(study, model):
                yield Input.of("group_partition", dataset=dataset, model=model, band=band)
    for pair in study.inference.comparisons:
        if {pair.first, pair.second} <= set(models_of(targets.resolved, dataset)):
            names = {"first": pair.first, "second": pair.second}
            yield Input.of("group_comparison", dataset=dataset, **names)
    for decoder, one in study.decoders.items():
        if dataset in one.datasets:
            yield Input.of("group_decoding", dataset=dataset, decoder=decoder)
            if one.across_subjects:
                yield Input.of("across_subjects", dataset=dataset, decoder=decoder)
    for contrast, block in study.contrasts.items():
        if dataset in block.datasets:
            yield Input.of("group_contrast", dataset=dataset, contrast=contrast)
            yield Input.of("group_contrast_maps", dataset=dataset, contrast=contrast)


def _of_subject(targets: Targets, dataset: str, subject: str) -> Iterator[Input]:
    resolved, study = targets.resolved, targets.study
    descriptor = resolved.datasets[dataset]
    where = {"dataset": dataset, "subject": subject}
    yield Input.of("receipt", **where)
    yield Input.of("checked", **where)
    for run in descriptor.runs_of(subject):
        yield Input.of("bold", **where, run=run)
    yield Input.of("bold_index", **where)
    models = models_of(resolved, dataset)
    decoders = [name for name, one in study.decoders.items() if dataset in one.datasets]
    identified = [name for name, one in study.identification.items() if dataset in one.datasets]
    compared = [name for name, one in study.univariate.items() if dataset in one.datasets]
    trained = [name for name, one in study.networks.items() if dataset in one.datasets]
    alike = rsa_of(resolved, dataset)
    if models or decoders or identified or trained or compared or alike:
        yield Input.of("samples", **where)
    if model_layers(targets, dataset) and descriptor.trials is None:
        yield Input.of("lagscan", **where)
    for model in models:
        for place in ("encoding", "inference", "region_table", "cluster_table", "maps"):
            yield Input.of(place, **where, model=model)
        if model in study.inference.partition:
            yield Input.of("partition", **where, model=model)
            yield Input.of("partition_test", **where, model=model)
    for pair in study.inference.comparisons:
        # Both models must have been fitted to the dataset.
        if {pair.first, pair.second} <= set(models):
            yield Input.of("comparison", **where, first=pair.first, second=pair.second)
    for decoder in decoders:
        for place in ("decoding", *study.decoders[decoder].profiles):
            yield Input.of(place, **where, decoder=decoder)
    for name in identified:
        for place in ("identification", "identification_sets"):
            yield Input.of(place, **where, identification=name)
    for name in alike:
        yield Input.of("dissimilarities", **where, rsa=name)
    for name in trained:
        yield Input.of("network_regimes", **where, network=name)
    for name in compared:
        yield Input.of("mass_univariate", **where, pair=name)
    for contrast, block in study.contrasts.items():
        if dataset in block.datasets:
            for place in ("contrast", "contrast_table", "contrast_maps"):
                yield Input.of(place, **where, contrast=contrast)


def models_of(resolved: "Resolved", dataset: str) -> list[str]:
    """Encoding models of a dataset."""
    return [name for name, model in resolved.study.models.items() if dataset in model.datasets]


def rsa_of(resolved: "Resolved", dataset: str) -> list[str]:
    """Representational similarity analyses of a dataset."""
    return [name for name, one in resolved.study.rsa.items() if dataset in one.datasets]


def timelines(resolved: "Resolved", dataset: str) -> list[str]:
    """Timelines that a chosen subject saw."""
    descriptor = resolved.datasets[dataset]
    return list(dict.fromkeys(map(descriptor.timeline_of, resolved.subjects[dataset])))


def model_layers(targets: Targets, dataset: str) -> list[tuple[str, str]]:
    """Every (space, layer) that a model of the dataset uses, in the order of its bands."""
    models = models_of(targets.resolved, dataset)
    return list(dict.fromkeys(pair for name in models for pair in targets.layers_of_model(name)))


def aligned_layers(targets: Targets, dataset: str) -> list[tuple[str, str]]:
    """Every (space, layer) that a model, identification or rsa of the dataset uses."""
    pairs = dict.fromkeys(model_layers(targets, dataset))
    for name, block in targets.study.identification.items():
        if dataset in block.datasets:
            pairs |= dict.fromkeys(targets.layers_of_identification(name))
    for name in rsa_of(targets.resolved, dataset):
        pairs |= dict.fromkeys(targets.layers_of_rsa(name))
    return list(pairs)


def shown_layers(targets: Targets, dataset: str) -> list[tuple[str, str]]:
    """Every (space, layer) of which the study needs features for the dataset.

    Those that a model, identification or rsa uses, those that these are made from, and those that
    drive simulated BOLD.
    """
    pairs = dict.fromkeys(aligned_layers(targets, dataset))
    waiting = [space for space, _ in pairs]
    while waiting:
        space = waiting.pop()
        more = targets.parents(space) if space in targets.study.fusion else []
        waiting += [parent for parent, layer in more if (parent, layer) not in pairs]
        pairs |= dict.fromkeys(more)
    source = targets.resolved.datasets[dataset].source
    if source.kind == "simulate":
        key = f"datasets.{dataset}.source.preset"
        for text in load_preset(source.preset).features:
            if text.split("/")[0] in targets.layers:
                pairs |= dict.fromkeys(targets.layers_named(text, key))
    return list(pairs)
