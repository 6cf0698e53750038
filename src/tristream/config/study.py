"""The study: ``config.yaml``."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tristream.config.base import Checksum, Label, Name, Section
from tristream.config.contrast import Contrast
from tristream.config.decoders import Decoder
from tristream.config.feature_spaces import FeatureSpace
from tristream.config.fusion import Fusion
from tristream.config.identification import Identification
from tristream.config.inference import Inference
from tristream.config.layouts import RawLayout
from tristream.config.leakage import Leakage
from tristream.config.models import EncodingModel
from tristream.config.networks import JointNetwork
from tristream.config.power import Power
from tristream.config.report import Report
from tristream.config.rsa import Rsa
from tristream.config.univariate import Univariate


class Mirror(Section):
    """Another address of a DataLad dataset: a mirror, or a synthetic dataset.

    A synthetic dataset takes the place of a folder or an archive, too; then `commit` must be given.
    """

    url: str = Field(description="a local path, file:// or http(s)://")
    commit: str | None = Field(default=None, description="default: the descriptor's")


class DatasetChoice(Section):
    """Which subjects of a dataset take part, and what the user's own machine has of it.

    Subjects are a list, ``all``, or a TSV with ``participant_id``.
    """

    subjects: list[Label] | str = Field(
        default="all", description="a list of labels, all, or a TSV file"
    )
    runs: list[str] = Field(
        default=[], description="runs of the dataset, or patterns, to take alone; default: all"
    )
    source: Mirror | None = Field(default=None, description="another address of the dataset")
    derivatives: Mirror | None = Field(
        default=None, description="another address of its derivatives"
    )
    layout: RawLayout | None = Field(
        default=None, description="`{kind: raw}`: from the raw images, whatever else there is"
    )
    stimuli: str | None = Field(
        default=None,
        description="your folder of the stimuli that the dataset does not ship, or a project of "
        "the OSF: `osf:qxcu8`, `osf:qxcu8/a folder`",
    )
    missing_stimuli: Literal["error", "drop"] = Field(
        default="error", description="stimuli that are not there: stop, or drop their events"
    )
    accept: dict[str, Checksum] = Field(
        default={},
        description="path to checksum (`md5:…`, `sha256:…`): take this content of an annexed file, "
        "though the key in the dataset says another; receipt and report say so",
    )


class Study(Section):
    """A whole study, as the user writes it."""

    title: str = Field(default="A tristream study", description="heading of the report")
    results: str = Field(default="results", description="folder of all that the workflow makes")
    data: str = Field(default="data", description="folder of downloads and clones")
    keep_raw: bool = Field(default=True, description="false: drop annexed content after its use")
    keep_weights: bool = Field(
        default=False,
        description="true: keep the dual weights of encoding models, with which they predict new "
        "stimuli and tests can be made again without a new fit; they are as large as the BOLD that "
        "a model was fitted to, or larger",
    )
    datasets: dict[Name, DatasetChoice] = Field(
        default={}, description="datasets by the name of their descriptor; a list takes all"
    )
    leakage: Leakage = Field(
        default=Leakage(), description="test stimuli that resemble training ones; or the action"
    )
    features: dict[Name, FeatureSpace] = Field(default={}, description="feature spaces by name")
    fusion: dict[Name, Fusion] = Field(
        default={}, description="feature spaces made from others, by name; models can name them"
    )
    models: dict[Name, EncodingModel] = Field(default={}, description="encoding models by name")
    decoders: dict[Name, Decoder] = Field(default={}, description="decoders by name")
    identification: dict[Name, Identification] = Field(
        default={}, description="features decoded, and items identified by them, by name"
    )
    networks: dict[Name, JointNetwork] = Field(
        default={}, description="networks trained on brain and label together, by name"
    )
    univariate: dict[Name, Univariate] = Field(
        default={}, description="two labels compared in every voxel, by name"
    )
    rsa: dict[Name, Rsa] = Field(
        default={}, description="representational similarity of layers and regions, by name"
    )
    contrasts: dict[Name, Contrast] = Field(
        default={}, description="contrasts between conditions by name: t maps of each subject"
    )
    inference: Inference = Field(default=Inference(), description="permutation tests")
    power: dict[Name, Power] = Field(
        default={}, description="power analyses by name: designs that are still to be scanned"
    )
    report: Report = Field(default=Report(), description="what the report's first page holds")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="where networks and solvers run"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        if isinstance(value, dict):
            value = dict(value)
            if isinstance(value.get("datasets"), list):
                value["datasets"] = {name: {} for name in value["datasets"]}
            if isinstance(value.get("leakage"), str):
                value["leakage"] = {"action": value["leakage"]}
        return value

    @field_validator("results", "data")
    @classmethod
    def _plain_path(cls, value: str) -> str:
        # Commands quote what lies below it; Snakemake takes braces for wildcards.
        if not value or value.startswith("-") or not re.fullmatch(r"[^{}\x00-\x1f\x7f]+", value):
            raise ValueError(
                f"{value!r} begins with a hyphen, or holds braces or signs that can't be printed; "
                "choose another name"
            )
        return value

    @model_validator(mode="after")
    def _something_to_do(self) -> "Study":
        if not self.datasets and not self.power:
            raise ValueError("datasets: none is named; name one, or plan a study under `power`")
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> "Study":
        for name in self.contrasts:
            if name in self.models:
                raise ValueError(f"contrasts.{name}: models has one of this name already")
        named: dict[str, dict[str, Any]] = {
            "models": dict(self.models),
            "decoders": dict(self.decoders),
            "identification": dict(self.identification),
            "networks": dict(self.networks),
            "univariate": dict(self.univariate),
            "rsa": dict(self.rsa),
            "contrasts": dict(self.contrasts),
        }
        for section, blocks in named.items():
            for name, block in blocks.items():
                for dataset in block.datasets:
                    if dataset not in self.datasets:
                        raise ValueError(
                            f"{section}.{name}.datasets: no dataset {dataset!r} above (there are "
                            f"{', '.join(self.datasets)}); name yours, or delete the block, if it "
                            "is of another study, as the demo"
                        )
        for name, model in self.models.items():
            for band, spaces in model.bands.items():
                for space in spaces:
                    if space.split("/")[0] not in self.spaces:
                        raise ValueError(
                            f"models.{name}.bands.{band}: no feature space {space!r} in features"
                        )
        for name, block in self.identification.items():
            if block.model is None:
                continue
            if block.model not in self.models:
                raise ValueError(f"identification.{name}.model: no model {block.model!r} in models")
            for dataset in block.datasets:
                if dataset not in self.models[block.model].datasets:
                    raise ValueError(
                        f"identification.{name}.model: {block.model!r} is not fitted to {dataset!r}"
                    )
        for section in ("identification", "rsa"):
            for name, one in named[section].items():
                for space in one.features:
                    if space.split("/")[0] not in self.spaces:
                        raise ValueError(
                            f"{section}.{name}.features: no feature space {space!r} in features"
                        )
        return self

    @model_validator(mode="after")
    def _inference_names_exist(self) -> "Study":
        named = {"partition": list(self.inference.partition)}
        named["comparisons"] = [m for c in self.inference.comparisons for m in (c.first, c.second)]
        for key, models in named.items():
            for model in models:
                if model not in self.models:
                    raise ValueError(f"inference.{key}: no model {model!r} in models")
        for model, bands in self.inference.partition.items():
            for band in bands:
                if band not in self.models[model].bands:
                    raise ValueError(f"inference.partition.{model}: no band {band!r} in the model")
        return self

    @model_validator(mode="after")
    def _fusion_has_parents(self) -> "Study":
        for name, block in self.fusion.items():
            if name in self.features:
                raise ValueError(f"fusion.{name}: features has a space of this name already")
            for parent in block.parents:
                if parent.split("/")[0] not in self.features:
                    raise ValueError(f"fusion.{name}.parents: no feature space {parent!r} above")
        return self

    @property
    def spaces(self) -> dict[str, FeatureSpace | Fusion]:
        """All feature spaces by name, those of an extractor and those made from others."""
        return {**self.features, **self.fusion}

    def streams_of(self, model: EncodingModel) -> dict[str, list[str]]:
        """Band to the streams of its feature spaces, each once, in alphabetical order."""
        return {
            band: sorted({self.spaces[name.split("/")[0]].stream for name in names})
            for band, names in model.bands.items()
        }
