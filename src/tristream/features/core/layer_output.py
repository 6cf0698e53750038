"""The layers that a job writes, and what their files tell of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tristream.config.settings.features import FeatureSettings
from tristream.errors import UserError
from tristream.features.core.checked_space import CheckedSpace
from tristream.features.core.feature_file import About, FeatureWriter, Sampling, create_features
from tristream.features.core.registry import Extractor, Used
from tristream.store import Omission

# Options that name the network; its name is told beside them.
NETWORK_OPTIONS = {"model", "revision", "folder"}
# Relative differences of sampling steps that are rounding.
SAME = 1e-3


@dataclass(frozen=True)
class Job:
    """What all layers of a job have in common.

    Attributes
    ----------
    settings : FeatureSettings
        What the job knows of the study.
    space : CheckedSpace
        Extractor and options.
    outputs : sequence of Path
        The files to write; each is named like its layer.
    code : str
        Fingerprint of all code that the job reaches.
    """

    settings: FeatureSettings
    space: CheckedSpace
    outputs: Sequence[Path]
    code: str

    @property
    def extractor(self) -> Extractor:
        """The extractor of the space."""
        return self.space.extractor

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers to write."""
        return tuple(path.stem for path in self.outputs)

    @property
    def where(self) -> str:
        """Named in messages."""
        return f"{self.extractor.module}: {self.extractor.name}"

    def needed(self, path: Path | None, option: str) -> Path:
        """An input that the extractor can't do without."""
        if path is None:
            raise UserError(f"features extract: {self.extractor.name} needs {option}")
        return path

    def window(self, layer: str) -> float:
        """Seconds of a stimulus that go into a row, unless the pass notes another number."""
        return float(self.extractor.window(layer, self.space.options))

    def names(self, layer: str, width: int, noted: Mapping[str, Any] | None = None) -> list[str]:
        """Names of the columns: those that the pass noted, else the extractor's.

        Raises
        ------
        UserError
            If they are not as many as the columns, or one stands twice.
        """
        found = (noted or {}).get(layer)
        if found is None:
            found = self.extractor.names(layer, self.space.options, width)
        if isinstance(found, str) or not all(isinstance(name, str) for name in found):
            raise UserError(f"{self.where}: {layer}: names must be a list of text, not {found!r}")
        if len(found) != width or len(set(found)) != width:
            raise UserError(
                f"{self.where}: {layer}: {len(set(found))} different names for {width} columns; "
                "name each column once"
            )
        return list(found)

    @contextmanager
    def create(
        self,
        path: Path,
        sampling: Sampling,
        simulated: bool,
        methods: Sequence[str],
        weights: Sequence[Mapping[str, Any]] = (),
        omitted: Sequence[Omission] = (),
    ) -> Iterator[FeatureWriter]:
        """The new file of a layer; it appears when the block ends well."""
        about = About(
            space=self.settings.space,
            layer=path.stem,
            extractor=self.extractor.name,
            sampling=sampling,
            options=self.space.options.model_dump(mode="json"),
            weights=weights,
        )
        with create_features(
            path,
            about,
            simulated=simulated,
            config=self.settings.key(),
            code=self.code,
            omitted=omitted,
            methods=methods,
        ) as file:
            yield file

    def methods(
        self,
        layer: str,
        width: int,
        times: Sequence[np.ndarray] = (),
        notes: Mapping[str, Any] | None = None,
        images: bool = False,
    ) -> tuple[str, str]:
        """Sentences about the space and about one of its layers.

        Parameters
        ----------
        layer : str
            The layer.
        width : int
            Its columns.
        times : sequence of ndarray
            Of its samples, one array for each film or sound.
        notes : dict, optional
            What the pass noted.
        images : bool
            Whether rows are images.
        """
        space, name = self.space, self.settings.space
        used = Used(space.options, space.network, notes or {}, images)
        parts = [f"Feature space {name}: {self.extractor.phrase(used)}"]
        if space.network:
            parts.append(f"network: {space.network}")
        if options := _options(space.options.model_dump(mode="json")):
            parts.append(f"options: {options}")
        columns = f"Layer {layer} of {name} has {width:,} column{'s' * (width != 1)}"
        steps = np.concatenate([np.diff(one) for one in times] or [np.zeros(0)])
        if images:
            columns += " and one row an image"
        elif len(steps) and np.ptp(steps) < SAME * np.median(steps):
            columns += f" and a sample every {np.median(steps):.4g} s"
        return f"{'; '.join(parts)}.", f"{columns}."


def _options(options: Mapping[str, Any]) -> str:
    told = {key: value for key, value in options.items() if key not in NETWORK_OPTIONS}
    return ", ".join(f"{key.replace('_', ' ')} {_plain(value)}" for key, value in told.items())


def _plain(value: Any) -> str:
    """An option as a reader writes it; of a path its name, for paths differ from place to place."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case list():
            return "(" + ", ".join(_plain(one) for one in value) + ")"
        case str():
            return Path(value).name or "none"
        case None:
            return "none"
        case _:
            return str(value)
