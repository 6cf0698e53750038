"""Write the feature file of one layer, from chunks or at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tristream.errors import UserError
from tristream.features.core.checked_space import CheckedSpace
from tristream.features.core.chunks import ChunkFolder
from tristream.features.core.feature_file import About, FeatureWriter, Sampling, create_features
from tristream.features.core.registry import Extractor
from tristream.features.core.resources import Medium
from tristream.store import Omission

COLUMNS = "columns"
WINDOW = "window"


@dataclass(frozen=True)
class Layer:
    """One layer to write, with everything that goes into its file beside the values.

    Attributes
    ----------
    space_name, stream : str
        As in config.yaml.
    space : CheckedSpace
        Extractor and options.
    layer : str
        The layer.
    output : Path
        The file.
    config : dict
        Config keys for the provenance.
    code : str
        Fingerprint for the provenance.
    """

    space_name: str
    stream: str
    space: CheckedSpace
    layer: str
    output: Path
    config: dict[str, Any]
    code: str

    @property
    def extractor(self) -> Extractor:
        """The extractor of the space."""
        return self.space.extractor

    @contextmanager
    def create(
        self,
        sampling: Sampling,
        simulated: bool,
        weights: Sequence[Mapping[str, Any]] = (),
        omitted: Sequence[Omission] = (),
    ) -> Iterator[FeatureWriter]:
        """The new file; it appears when the block ends well."""
        about = About(
            space=self.space_name,
            layer=self.layer,
            extractor=self.extractor.name,
            sampling=sampling,
            stream=self.stream,
            options=self.space.options.model_dump(mode="json"),
            weights=weights,
        )
        with create_features(
            self.output,
            about,
            simulated=simulated,
            config=self.config,
            code=self.code,
            omitted=omitted,
        ) as file:
            yield file

    @property
    def window(self) -> float:
        """Seconds of a stimulus that go into a row, unless the pass notes another number."""
        return float(self.extractor.window(self.layer, self.space.options))

    def names(self, width: int, noted: Mapping[str, Sequence[str]] | None = None) -> list[str]:
        """Names of the columns: those that the pass noted, else the extractor's."""
        found = (noted or {}).get(self.layer)
        if found is None:
            found = self.extractor.names(self.layer, self.space.options, width)
        return list(found)


def assemble(
    file: FeatureWriter, layer: Layer, media: Sequence[Medium], folder: ChunkFolder
) -> None:
    """Join the chunks of the wanted layer, one in memory at a time."""
    noted = None
    for medium in media:
        times = folder.times(layer.layer, medium.stimulus)
        if len(times) == 0 or np.any(np.diff(times) <= 0):
            raise UserError(
                f"{medium.name}: {layer.extractor.name}/{layer.layer} gave "
                + ("times that do not rise" if len(times) else "no samples: is it long enough?")
            )
        notes = folder.notes(medium.stimulus)
        noted = notes.pop(COLUMNS, None)
        window = notes.pop(WINDOW, layer.window)
        blocks = folder.blocks(layer.layer, medium.stimulus)
        if not medium.items:
            file.stimulus(medium.stimulus, times, window, blocks, notes)
        elif len(times) == len(medium.items):
            file.items(medium.items, blocks, notes)
        else:
            raise UserError(
                f"{layer.extractor.module}: {layer.extractor.name}/{layer.layer}: gave "
                f"{len(times)} rows for {len(medium.items)} images"
            )
    file.names(layer.names(file.width, noted))
