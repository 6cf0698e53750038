"""Which files a study asks for: what rules take as input, and what the whole study leads to."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tristream.errors import UserError
from tristream.results import Layout

if TYPE_CHECKING:
    from tristream.config.load import Resolved


class Targets:
    """Paths that a checked study leads to, below its results folder.

    Parameters
    ----------
    resolved : Resolved
        The checked study.
    layers : dict of str to sequence of str
        Layers of each feature space, fused ones too.
    where : str
        The configuration's file, for messages.

    Raises
    ------
    UserError
        If a model or a fused space names a layer that its space does not have.
    """

    def __init__(
        self, resolved: "Resolved", layers: Mapping[str, tuple[str, ...]], where: str
    ) -> None:
        self.resolved = resolved
        self.study = resolved.study
        self.layers = layers
        self.where = where
        self.layout = Layout(resolved.study.results)
        for name in self.study.models:
            self.layers_of_model(name)
        for name in self.study.identification:
            self.layers_of_identification(name)
        for name in self.study.rsa:
            self.layers_of_rsa(name)
        for name in self.study.fusion:
            self.parents(name)

    def layers_named(self, text: str, key: str) -> list[tuple[str, str]]:
        """``musicnn`` -> its layers, ``musicnn/cnn3`` -> that one: pairs (space, layer)."""
        space, _, layer = text.partition("/")
        if layer and layer not in self.layers[space]:
            raise UserError(
                f"{self.where}: {key}: {layer!r} is not among features.{space}.layers: "
                f"{', '.join(self.layers[space])}"
            )
        return [(space, one) for one in ([layer] if layer else self.layers[space])]

    def layers_of_model(self, model: str) -> list[tuple[str, str]]:
        """Every (space, layer) of a model, band by band."""
        return [
            pair
            for band, texts in self.study.models[model].bands.items()
            for text in texts
            for pair in self.layers_named(text, f"models.{model}.bands.{band}")
        ]

    def layers_of_identification(self, name: str) -> list[tuple[str, str]]:
        """Every (space, layer) that is decoded, in the order of the study."""
        key = f"identification.{name}.features"
        texts = self.study.identification[name].features
        return list(dict.fromkeys(p for text in texts for p in self.layers_named(text, key)))

    def layers_of_rsa(self, name: str) -> list[tuple[str, str]]:
        """Every (space, layer) that is compared with regions, in the order of the study."""
        key, texts = f"rsa.{name}.features", self.study.rsa[name].features
        return list(dict.fromkeys(p for text in texts for p in self.layers_named(text, key)))

    def own_candidates(self, name: str) -> list[str]:
        """The user's own features of candidates that were never shown, one file a layer."""
        folder = self.study.identification[name].candidates
        if folder in ("tested", "trained"):
            return []
        pairs = self.layers_of_identification(name)
        return [f"{folder.rstrip('/')}/{space}_{layer}.npy" for space, layer in pairs]

    def features(self, dataset: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Feature files of some layers."""
        return [
            self._at("features", dataset=dataset, space=space, layer=layer)
            for space, layer in pairs
        ]

    def layers_in(self, dataset: str) -> list[tuple[str, str]]:
        """Every (space, layer) that some model of the dataset uses."""
        models = [name for name, block in self.study.models.items() if dataset in block.datasets]
        return sorted({pair for name in models for pair in self.layers_of_model(name)})

    def parents(self, fused: str) -> list[tuple[str, str]]:
        """Every (space, layer) that a fused space is made from."""
        key = f"fusion.{fused}.parents"
        texts = self.study.fusion[fused].parents
        return list(dict.fromkeys(p for text in texts for p in self.layers_named(text, key)))

    def parent_files(self, dataset: str, fused: str) -> list[str]:
        """Feature files that a fused space is made from."""
        return self.features(dataset, self.parents(fused))

    def encodings(self, dataset: str, subjects: Sequence[str] = ()) -> list[str]:
        """All models of a dataset, of some or all of its chosen subjects."""
        return [
            self._at("encoding", dataset=dataset, model=model, subject=subject)
            for model, block in self.study.models.items()
            if dataset in block.datasets
            for subject in subjects or self.resolved.subjects[dataset]
        ]

    def first_model(self, dataset: str) -> list[str]:
        """Encodings of the dataset's first model, one a subject."""
        models = [name for name, block in self.study.models.items() if dataset in block.datasets]
        return self.subjects("encoding", dataset, model=models[0])

    def runs(self, dataset: str, subject: str, place: str = "bold") -> list[str]:
        """One file for each run that the subject has."""
        runs = self.resolved.datasets[dataset].runs_of(subject)
        return [self._at(place, dataset=dataset, subject=subject, run=run) for run in runs]

    def runs_of_all(self, dataset: str, place: str = "bold") -> list[str]:
        """One file for each run of each chosen subject."""
        return [
            path
            for subject in self.resolved.subjects[dataset]
            for path in self.runs(dataset, subject, place)
        ]

    def aligned(self, dataset: str, subject: str, pairs: list[tuple[str, str]]) -> list[str]:
        """Aligned features on the timeline that the subject saw."""
        timeline = self.resolved.datasets[dataset].timeline_of(subject)
        return [
            self._at("aligned", dataset=dataset, timeline=timeline, space=space, layer=layer)
            for space, layer in pairs
        ]

    def subjects(self, place: str, dataset: str, **wildcards: str) -> list[str]:
        """One file for each chosen subject of the dataset."""
        return [
            self._at(place, dataset=dataset, subject=subject, **wildcards)
            for subject in self.resolved.subjects[dataset]
        ]

    def checked(self, dataset: str) -> list[str]:
        """What is only written once the files of the chosen subjects fit together."""
        if self.resolved.shares_features(dataset):
            return [self._at("timing", dataset=dataset)]
        return self.subjects("checked", dataset)

    def between(self) -> list[str]:
        """What is made on the way to the results and that no page shows."""
        found: list[str] = []
        for dataset, descriptor in self.resolved.datasets.items():
            if descriptor.source.kind == "simulate":
                found.append(self._at("commit", dataset=dataset))
                found.append(self._at("preset_atlas", preset=descriptor.source.preset))
            if descriptor.layout.kind == "raw":
                found += self.subjects("normalisation", dataset)
                for subject in self.resolved.subjects[dataset]:
                    found += self.runs(dataset, subject, "registration")
            if descriptor.chosen_trials:
                found += self.subjects("trial_model", dataset)
                for subject in self.resolved.subjects[dataset]:
                    found += self.runs(dataset, subject, "trial_volumes")
            if self.resolved.needs_regions(dataset):
                found += [self._at("atlas"), self._at("regions")]
        return list(dict.fromkeys(found))

    def _at(self, place: str, **wildcards: str) -> str:
        return self.layout.path(place, **wildcards).as_posix()
