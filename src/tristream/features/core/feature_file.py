"""The feature file of one layer: what stands in it, and how it is joined from chunks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tristream.errors import UserError
from tristream.features.core.checked_space import CheckedSpace
from tristream.features.core.chunks import ChunkFolder
from tristream.features.core.registry import Extractor
from tristream.features.core.resources import Medium
from tristream.store import Omission, Provenance, create_h5, write_strings

KIND = "features"
COLUMNS = "columns"


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
        sampling: str,
        simulated: bool,
        weights: Any = "",
        omitted: Sequence[Omission] = (),
    ) -> Iterator[h5py.File]:
        """The new file with its attributes; it appears when the block ends well."""
        provenance = Provenance(KIND, simulated, self.config, self.code, tuple(omitted))
        with create_h5(self.output, provenance) as file:
            file.attrs["sampling"] = sampling
            file.attrs["space"] = self.space_name
            file.attrs["layer"] = self.layer
            file.attrs["stream"] = self.stream
            file.attrs["extractor"] = self.extractor.name
            file.attrs["options"] = json.dumps(self.space.options.model_dump(mode="json"))
            file.attrs["weights"] = json.dumps(weights) if weights else ""
            yield file

    def timed_group(self, file: h5py.File, stimulus: str, times: np.ndarray) -> h5py.Group:
        """The group of a stimulus, with times and window."""
        group = file.create_group(f"stimuli/{stimulus}")
        group["times"] = np.asarray(times, np.float64)
        group.attrs["window"] = float(self.extractor.window(self.layer, self.space.options))
        return group

    def write_names(
        self, file: h5py.File, widths: set[int], noted: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Names of the columns; every stimulus must have the same number of them.

        Those that the pass noted for this layer take the place of the extractor's.
        """
        if len(widths) != 1:
            raise UserError(
                f"{self.extractor.module}: {self.extractor.name}/{self.layer}: stimuli differ in "
                f"their number of columns: {sorted(widths)}"
            )
        names = (noted or {}).get(self.layer)
        if names is None:
            names = self.extractor.names(self.layer, self.space.options, widths.pop())
        write_strings(file, "names", names)


def assemble(file: h5py.File, layer: Layer, media: Sequence[Medium], folder: ChunkFolder) -> None:
    """Join the chunks of the wanted layer, one in memory at a time."""
    widths = set()
    noted = None
    for medium in media:
        times = folder.times(layer.layer, medium.stimulus)
        if len(times) == 0 or np.any(np.diff(times) <= 0):
            raise UserError(
                f"{medium.name}: {layer.extractor.name}/{layer.layer} gave "
                + ("times that do not rise" if len(times) else "no samples: is it long enough?")
            )
        group: h5py.Group = file
        if medium.items:
            _write_items(file, layer, medium, len(times))
        else:
            group = layer.timed_group(file, medium.stimulus, times)
        notes = folder.notes(medium.stimulus)
        noted = notes.pop(COLUMNS, None)
        group.attrs.update(notes)
        at, values = 0, None
        for block in folder.blocks(layer.layer, medium.stimulus):
            if values is None:
                values = group.create_dataset("values", (len(times), block.shape[1]), "f4")
            values[at : at + len(block)] = block
            at += len(block)
        widths.add(group["values"].shape[1])
    layer.write_names(file, widths, noted)


def _write_items(file: h5py.File, layer: Layer, medium: Medium, rows: int) -> None:
    if rows != len(medium.items):
        raise UserError(
            f"{layer.extractor.module}: {layer.extractor.name}/{layer.layer}: gave {rows} rows for "
            f"{len(medium.items)} images"
        )
    write_strings(file, "items", medium.items)
