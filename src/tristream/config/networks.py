"""Networks trained on brain and label together: the ``networks:`` blocks of ``config.yaml``."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tristream.config.base import Name, Section
from tristream.config.delays import DecoderDelay


class NetworkInputs(Section):
    """What a network is given of a film, an image or a sound: keys of the other kind are not used.

    `frames` is of sound, the others are of pictures.
    """

    frames: int = Field(default=128, ge=16, description="spectra of a window of sound, 23 ms apart")
    size: int = Field(default=64, ge=16, description="pixels of a side of a frame")
    stack: int = Field(default=10, ge=1, description="flow fields at once")
    fps: float = Field(default=12.0, gt=0, description="frames of a film per second")


class NetworkTraining(Section):
    """How a network learns labels, then labels and voxels."""

    weight: float = Field(
        default=1.0, gt=0, description="of the voxels' squared error beside the cross-entropy"
    )
    label_epochs: int = Field(default=30, ge=0, description="the most on labels alone")
    epochs: int = Field(default=30, ge=1, description="the most on labels and voxels")
    patience: int = Field(
        default=8, ge=1, description="epochs without a lower loss of a left-out training run"
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="of AdamW")
    batch: int = Field(default=32, ge=2, description="samples of a batch, about")


class NetworkDesign(Section):
    """A network, its voxels and its training, whichever datasets it learns."""

    network: Literal["two_stream", "lstm", "crnn", "tcn"] = Field(
        description="`two_stream`: frames and flow of films, or images (whose flow is zero); the "
        "others hear sounds, and films by their sound"
    )
    regimes: list[Literal["frozen", "staged", "joint"]] = Field(
        default=["frozen", "staged", "joint"],
        description="how voxels are learnt after labels; `frozen`, from which gains count, is "
        "among them",
    )
    samples: Literal["volumes", "blocks"] = Field(
        default="volumes",
        description="a volume (or trial) with what was shown one delay before, or the mean over a "
        "presentation with its middle",
    )
    test: list[str] = Field(
        default=[],
        description="held-out runs, or patterns; default: those of the dataset's `split`, and "
        "there must be some",
    )
    regions: list[str] = Field(
        default=[], description="regions of the dataset whose voxels are learnt; default: all"
    )
    voxels: int | None = Field(
        default=500,
        ge=1,
        description="voxels of these with the largest F of the labels in the training samples; "
        "null: all",
    )
    delay: DecoderDelay | None = Field(
        default=None, description="how much later than the stimulus a volume is: `decoders`"
    )
    inputs: NetworkInputs = Field(default=NetworkInputs(), description="what it is given")
    training: NetworkTraining = Field(default=NetworkTraining(), description="how it learns")
    seeds: int = Field(
        default=5, ge=2, description="networks of each regime, over which standard errors are"
    )
    seed: int = Field(default=0, description="the first, and that of the permutations")
    permutations: int = Field(
        default=1000, ge=100, description="of the labels of held-out items: the measured chance"
    )
    pictures: int = Field(
        default=3, ge=0, description="held-out samples that Grad-CAM is drawn of, one a label"
    )

    @model_validator(mode="after")
    def _frozen_is_there(self) -> Self:
        if "frozen" not in self.regimes:
            raise ValueError("`regimes`: gains count from `frozen`; add it")
        return self


class JointNetwork(NetworkDesign):
    """A network that names what was shown, and learns the brain's response beside the label.

    A linear readout of voxels is put on an intermediate layer; its squared error is added to the
    cross-entropy of the labels. Regimes begin with the same network, and are tested on runs that
    nothing was fitted to.
    """

    datasets: list[Name] = Field(description="datasets with labels, and stimuli that are at hand")

    @property
    def design(self) -> NetworkDesign:
        """The network without its datasets."""
        return NetworkDesign.model_validate(self.model_dump(exclude={"datasets"}))
