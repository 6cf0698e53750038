"""Which jobs compute the feature spaces of a study: one for each space and dataset.

A job writes all layers of its space. Where some of them are there and others are not, those are
two jobs, so that a layer that is added to a space is computed alone: what there is stays, or, if
code or settings have changed, is computed again in one pass. This is read off the disk while the
Snakefile is parsed, and nothing is remembered.
"""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tristream.config.settings.features import FeatureSettings
from tristream.features.core.checked_space import CheckedSpace, of_settings
from tristream.results import Layout

if TYPE_CHECKING:
    from tristream.config.load import Resolved

ENTRIES = {
    "film": "tristream.features.core.extraction",
    "sound": "tristream.features.core.extraction",
    "label": "tristream.features.core.label_extraction",
    "truth": "tristream.features.core.truth_extraction",
}
"""The module that computes, by what an extractor reads."""


@dataclass(frozen=True)
class FeatureJob:
    """One job.

    Attributes
    ----------
    name : str
        Of its rule.
    dataset, space : str
        As in the study.
    outputs : list of str
        The files to write, one a layer.
    inputs : dict of str to str
        Option of the command line to the file that it names.
    own : list of str
        Further files of the user's that decide the values.
    gpu : int
        Number of GPUs.
    modules : tuple of str
        Whose code decides the values.
    """

    name: str
    dataset: str
    space: str
    outputs: list[str]
    inputs: dict[str, str]
    own: list[str]
    gpu: int
    modules: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """All inputs."""
        return [*self.inputs.values(), *self.own]

    @property
    def arguments(self) -> str:
        """The inputs as arguments of `tristream features extract`."""
        return " ".join(f"--{name} {shlex.quote(file)}" for name, file in self.inputs.items())

    def place(self, pattern: str) -> str:
        """Where its log or its benchmark lies: at its first layer's, of this pattern."""
        layer = Path(self.outputs[0]).stem
        return pattern.format(dataset=self.dataset, space=self.space, layer=layer)


def running_rules(argv: Sequence[str]) -> set[str]:
    """Rules whose jobs a process of Snakemake was started for; none in the main process.

    Snakemake's own settings have them (``--target-jobs RULE:WILDCARDS``) after the parse only.
    """
    rules: set[str] = set()
    if "--target-jobs" in argv:
        for argument in argv[argv.index("--target-jobs") + 1 :]:
            if argument.startswith("-"):
                break
            rules.add(argument.partition(":")[0])
    return rules


def feature_jobs(
    resolved: "Resolved", spaces: Mapping[str, CheckedSpace], running: Collection[str] = ()
) -> Iterator[FeatureJob]:
    """Every job that could compute features of the study.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    spaces : dict of str to CheckedSpace
        Its feature spaces.
    running : collection of str
        Rules that this process was started for. A job parses the Snakefile again, when files of
        its layers may be gone or there: then its rule's name, not the disk, tells its layers.
    """
    layout = Layout(resolved.study.results)
    taken: set[str] = set()
    for dataset in resolved.datasets:
        for name, space in spaces.items():
            inputs = _inputs(resolved, layout, dataset, name, space)
            if inputs is None:
                continue
            base = f"features_{dataset}_{name}"
            while base in taken:  # a_b of c, and b_c of a
                base += "_"
            taken.add(base)
            files = [
                str(layout.path("features", dataset=dataset, space=name, layer=layer))
                for layer in space.layers
            ]
            on_gpu = resolved.study.device == "cuda" and space.extractor.on_gpu(space.options)
            for part, outputs in _parts(base, files, running).items():
                yield FeatureJob(
                    name=base if part == "all" else f"{base}_{part}",
                    dataset=dataset,
                    space=name,
                    outputs=outputs,
                    inputs=inputs,
                    own=space.own_files,
                    gpu=int(on_gpu),
                    modules=modules_of(space),
                )


def modules_of(space: CheckedSpace) -> tuple[str, str]:
    """Modules whose code, with all that they import, decides the values."""
    return ENTRIES[space.extractor.media], space.extractor.module


def settings_of(resolved: "Resolved", dataset: str, space: str) -> FeatureSettings:
    """The settings of a space without what its extractor has no use for.

    Raises
    ------
    UserError
        If there is no such dataset, space or extractor.
    """
    settings = FeatureSettings.of(resolved, dataset=dataset, space=space)
    checked = of_settings(settings)
    update: dict[str, object] = {}
    if checked.extractor.media not in ("film", "sound"):
        update["stimuli"] = []
    if not checked.extractor.on_gpu(checked.options):
        update["device"] = "cpu"
    return settings.model_copy(update=update)


def _inputs(
    resolved: "Resolved", layout: Layout, dataset: str, name: str, space: CheckedSpace
) -> dict[str, str] | None:
    """What the extractor reads of the dataset; None if the dataset has nothing of the kind."""
    descriptor = resolved.datasets[dataset]
    if space.extractor.media == "truth":
        simulated = descriptor.source.kind == "simulate"
        return {"truth": str(layout.path("truth", dataset=dataset))} if simulated else None
    if space.extractor.media == "label":
        return {"inventory": str(layout.path("inventory", dataset=dataset))}
    if descriptor.stimuli.source is None:
        return None
    files = {"receipt": str(layout.path("stimuli_receipt", dataset=dataset))}
    if space.is_fetched:
        files["weights"] = str(layout.path("weights", space=name))
    return files


def _parts(base: str, files: Sequence[str], running: Collection[str]) -> dict[str, list[str]]:
    """The files of each job: those that are there and those that are not, or as rules are named."""
    named = [
        {int(number) for number in (match["numbers"] or "").split("_") if number}
        for rule in running
        if (match := re.fullmatch(rf"(?:\w+_)?{base}(?:_layers(?P<numbers>(?:_\d+)+))?", rule))
    ]
    if set() in named:
        return {"all": list(files)}
    if not named:
        there = {number for number, file in enumerate(files, 1) if Path(file).is_file()}
        named = [there]
    named.append(set(range(1, len(files) + 1)).difference(*named))
    groups = [group for group in named if group]
    if len(groups) == 1:
        return {"all": list(files)}
    return {
        "_".join(["layers", *(str(number) for number in sorted(group))]): [
            files[number - 1] for number in sorted(group)
        ]
        for group in groups
    }
