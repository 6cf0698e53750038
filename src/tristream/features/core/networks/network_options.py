"""Which network: a model of the hub at a pinned commit, or a folder; and what its config says."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from tristream.config.base import Section
from tristream.config.sources import FolderSource, HubSource
from tristream.errors import UserError
from tristream.errors.json_text import read_object


class NetworkOptions(Section):
    """Options that name a network; extractors of networks add theirs."""

    model: str = Field(default="", description="name on the Hugging Face hub; needs revision")
    revision: str = Field(default="", description="the pinned commit, 40 hexadecimal digits")
    folder: str = Field(
        default="", description="or a local folder with config.json and safetensors"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "NetworkOptions":
        if bool(self.model) == bool(self.folder):
            raise ValueError("give model and revision, or folder")
        if self.model:
            try:
                HubSource(model=self.model, revision=self.revision)
            except ValueError:
                raise ValueError(
                    "model is OWNER/NAME, and revision its full commit (40 hexadecimal digits): a "
                    "branch can move"
                ) from None
        return self

    @property
    def source(self) -> HubSource | FolderSource:
        """Where the network comes from."""
        if self.folder:
            return FolderSource(path=self.folder)
        return HubSource(model=self.model, revision=self.revision)


def network_source(options: NetworkOptions) -> HubSource | FolderSource:
    """For ``weights=`` of :func:`tristream.features.core.registry.extractor`."""
    return options.source


def read_config(folder: Path | None) -> dict[str, Any]:
    """A network's ``config.json``.

    Parameters
    ----------
    folder : Path
        As :mod:`..registry` gives it to ``layers=``.

    Raises
    ------
    UserError
        If there is none, or it is not one of ``transformers``.
    """
    path = (folder or Path()) / "config.json"
    if not path.exists():
        raise UserError(
            f"{path}: no such file; give a folder that save_pretrained of transformers wrote"
        )
    config = read_object(path, remedy="fetch the network again")
    if not isinstance(config.get("model_type"), str):
        raise UserError(f"{path}: names no model_type; it is not a config of transformers")
    return config
