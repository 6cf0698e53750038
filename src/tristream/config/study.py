"""The study: ``config.yaml``."""

from typing import Literal

from pydantic import Field, model_validator

from tristream.config.analysis import Decoder, EncodingModel, FeatureSpace, Inference
from tristream.config.base import Label, Name, Section


class DatasetChoice(Section):
    """Which subjects of a dataset take part: a list, ``all``, or a TSV with ``participant_id``."""

    subjects: list[Label] | str = "all"


class Leakage(Section):
    """What happens when a test stimulus resembles a training stimulus."""

    action: Literal["warn", "drop", "error"] = "warn"
    guard: float = Field(default=20.0, ge=20.0, description="seconds between train and test clips")


class Study(Section):
    """A whole study, as the user writes it."""

    title: str = "A tristream study"
    results: str = "results"
    data: str = "data"
    keep_raw: bool = True
    datasets: dict[Name, DatasetChoice] = Field(min_length=1)
    leakage: Leakage = Leakage()
    features: dict[Name, FeatureSpace] = {}
    models: dict[Name, EncodingModel] = {}
    decoders: dict[Name, Decoder] = {}
    inference: Inference = Inference()
    device: Literal["auto", "cpu", "cuda"] = "auto"

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

    @model_validator(mode="after")
    def _names_exist(self) -> "Study":
        for section, blocks in (("models", self.models), ("decoders", self.decoders)):
            for name, block in blocks.items():
                for dataset in block.datasets:
                    if dataset not in self.datasets:
                        raise ValueError(f"{section}.{name}.datasets: no dataset {dataset!r} above")
        for name, model in self.models.items():
            for band, spaces in model.bands.items():
                for space in spaces:
                    if space.split("/")[0] not in self.features:
                        raise ValueError(
                            f"models.{name}.bands.{band}: no feature space {space!r} in features"
                        )
        return self
