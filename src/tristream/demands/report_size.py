"""How much disk the report, its figures and the maps take, judged before there are any.

Pages and pictures are most of a small study. Sizes were measured in finished studies: the small
study of the tests (a film, five spaces), five synthetic OpenNeuro datasets, folders of labels,
sounds and betas of the tutorials. A figure counts as PNG, SVG and table together; an SVG that shows
a picture holds it, so that it is as large as its PNG.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tristream.config.load import Resolved

VIEWER = 2.3e6
"""Bytes of the viewer's program (niivue), once a study."""
STUDY, DATASET = 0.20e6, 0.15e6
"""First page, checklist and references; the dataset's page, its inventory, features in time."""
PICTURES = {"film": 0.85e6, "sound": 0.38e6, "image": 0.37e6}
"""What went into a feature space, beside the original: three frames, spectra or images."""
LOOKS = 0.93e6
"""Where in its input a network with class scores looks."""
OUTCOMES = {"film": 0.48e6, "sound": 0.18e6, "image": 0.10e6}
"""What came out of a feature space: its page, traces above frames, its samples in a plane."""
FRAME, FRAMES = 1.15e6, 40
"""A film as it is shown, beside what each space sees of it; films of which there is one."""
SUBJECT = 0.30e6
"""A subject's page: motion, tSNR, lags, accuracy."""
CARPET, CELL, CELLS = 0.10e6, 11.0, (200, 600)
"""Of a carpet plot: its axes, each cell; most voxels and volumes that are drawn."""
VOLUME, SURFACE, COVERED = 0.10e6, 0.63e6, 300
"""Slices and surface of a subject's viewer; voxels below which no surface is drawn."""
MODEL, DECODER = 0.25e6, 0.15e6
"""Figures and tables of a model, or contrast; of a decoder or another analysis."""
NETWORK = 1.2e6
"""Figures and tables of a network of brain and label: most are three stimuli with their maps."""
MODEL_VOXEL, DECODER_VOXEL = 220.0, 60.0
"""Of each voxel: its row in the tables, maps, tests and the viewer; decoding patterns and tSNR."""


@dataclass(frozen=True)
class SpaceSize:
    """What a feature space gives, as far as it is known before it has run.

    Attributes
    ----------
    medium : str
        What its extractor reads: ``film``, ``sound``, ``label`` or ``truth``.
    images : bool
        Whether it reads images, too.
    widths : tuple of int
        Columns of each layer; 0 where only its network, or the labels, tell.
    rate : float
        Samples a second of films and sounds.
    looks : bool
        Whether it is drawn where the network looks.
    """

    medium: str
    images: bool
    widths: tuple[int, ...]
    rate: float
    looks: bool = False

    def reads(self, kinds: Collection[str]) -> str:
        """The kind of picture that is drawn of it, given the kinds of a dataset's stimuli."""
        if self.medium in ("film", "sound") and "film" in kinds:
            return "film"
        if self.medium == "sound" and "sound" in kinds:
            return "sound"
        return "image" if self.images and "image" in kinds else ""


def dataset_pages(resolved: "Resolved", dataset: str, spaces: list[SpaceSize]) -> float:
    """Bytes of a dataset's page, of its films and of what its feature spaces see and give."""
    stimuli = resolved.datasets[dataset].stimuli.table
    kinds = {one.kind for one in stimuli}
    found = DATASET + FRAME * min(sum(one.kind == "film" for one in stimuli), FRAMES)
    for space in spaces:
        if kind := space.reads(kinds):
            found += PICTURES[kind] + OUTCOMES[kind] + LOOKS * space.looks
    return found


def subject_pages(resolved: "Resolved", dataset: str, volumes: int, voxels: int) -> float:
    """Bytes of a subject's page, viewer, and the figures and tables of its analyses."""
    study, about = resolved.study, resolved.datasets[dataset]
    models, contrasts, decoders, identifications, pairs, analyses, networks = (
        sum(dataset in one.datasets for one in section.values())
        for section in (
            study.models,
            study.contrasts,
            study.decoders,
            study.identification,
            study.univariate,
            study.rsa,
            study.networks,
        )
    )
    of_models = models + contrasts
    of_decoders = decoders + identifications + pairs + analyses
    found = SUBJECT + of_models * MODEL + of_decoders * DECODER
    found += NETWORK * networks
    found += voxels * (of_models * MODEL_VOXEL + of_decoders * DECODER_VOXEL)
    if about.trials is None:
        found += CARPET + CELL * min(voxels, CELLS[0]) * min(volumes, CELLS[1])
    if (about.space or "").startswith(("MNI", "fs")):
        found += VOLUME + SURFACE * (voxels > COVERED)
    return found
