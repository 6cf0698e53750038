"""A feature space of config.yaml, checked: its extractor, layers, options and weights exist."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tristream.config.base import Section
from tristream.config.feature_spaces import FeatureSpace
from tristream.config.settings.features import FeatureSettings
from tristream.config.sources import ArchiveSource, FolderSource, HubSource
from tristream.errors import UserError
from tristream.features.core.registry import Extractor, Preview, WeightSource, get
from tristream.fetch.weights import hub_folder, network_files

ALL = "all"


@dataclass(frozen=True)
class CheckedSpace:
    """A feature space of config.yaml whose extractor, layers and options exist.

    Attributes
    ----------
    extractor : Extractor
        Its extractor.
    layers : tuple of str
        Its layers, in the order of config.yaml.
    options : Section
        Its options, typed.
    weights : source or None
        Where its weights come from.
    folder : Path or None
        Where the network lies, if it is one and is there.
    """

    extractor: Extractor
    layers: tuple[str, ...]
    options: Section
    weights: WeightSource | None = None
    folder: Path | None = None

    def preview(self, path: Path | tuple[Path, ...], at: float) -> Preview | None:
        """What reaches the computation at `at`; None without a preview or its network.

        Of images, `at` is the place among them.

        Raises
        ------
        UserError
            If the network's folder does not tell how its input is prepared.
        """
        shown = self.extractor.preview
        return shown(path, self.options, at, self.folder) if shown else None

    @property
    def network(self) -> str:
        """The pretrained network with its version or revision; empty without weights."""
        source = self.weights
        if isinstance(source, HubSource):
            return f"{source.model} (revision {source.revision[:12]})"
        if isinstance(source, ArchiveSource):
            return f"{source.package} {source.version}"
        return Path(source.path).name if source else ""

    @property
    def is_fetched(self) -> bool:
        """Whether its weights have to be fetched."""
        return isinstance(self.weights, ArchiveSource | HubSource)

    @property
    def own_files(self) -> list[str]:
        """Files of the user's own that decide the values.

        Raises
        ------
        UserError
            If one is missing, or a folder holds no network.
        """
        found = []
        if isinstance(self.weights, FolderSource):
            folder = Path(self.weights.path)
            found += [str(folder / name) for name in network_files(folder)]
        for path in map(Path, self.extractor.reads(self.options)):
            if not path.exists():
                raise UserError(f"{path}: no such file or folder; fix the space's options")
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            found += [str(file) for file in files if file.is_file()]
        return found


def check(
    space: str, block: FeatureSpace, config: Path | str = "config.yaml", data: Path | str = "data"
) -> CheckedSpace:
    """Check one block of ``features:`` against its extractor.

    Parameters
    ----------
    space : str
        The feature space's name.
    block : FeatureSpace
        The block of config.yaml.
    config : Path
        The file's name, for messages.
    data : Path
        The study's data folder, where networks of the hub lie once they are fetched. The layers of
        one that is not there yet are believed; they are checked when they are computed.

    Raises
    ------
    UserError
        One line that names the key: unknown extractor, layer or option, an option's bad value, a
        folder that holds no network.
    """
    found, options = _configured(space, block, config)
    source = found.weights_of(options)
    try:
        layers = _layers(found, block.layers, options, source, Path(data))
    except UserError as error:
        raise UserError(f"{config}: features.{space}.layers: {error}") from None
    folder = network_folder(source, Path(data))
    if folder is not None and found.fits is not None:
        try:
            found.fits(options, folder)
        except UserError as error:
            raise UserError(f"{config}: features.{space}: {error}") from None
    return CheckedSpace(found, layers, options, source, folder)


def weights_of(
    space: str, block: FeatureSpace, config: Path | str = "config.yaml"
) -> WeightSource | None:
    """Where a space's weights come from, whether or not they are there yet.

    Raises
    ------
    UserError
        Unknown extractor or option, an option's bad value.
    """
    found, options = _configured(space, block, config)
    return found.weights_of(options)


def of_settings(settings: FeatureSettings) -> CheckedSpace:
    """The space of a job, from its settings; its layers are checked when its weights are found.

    Raises
    ------
    UserError
        Unknown extractor or option, an option's bad value.
    """
    found, options = _configured(settings.space, settings, "config.yaml")
    source = found.weights_of(options)
    return CheckedSpace(found, (), options, source)


def check_layers(
    space: str, checked: CheckedSpace, layers: Sequence[str], folder: Path | None
) -> None:
    """Refuse layers that the extractor does not have; `folder` holds its network.

    Raises
    ------
    UserError
        One line that names those that there are.
    """
    known = checked.extractor.layers_of(checked.options, folder)
    if unknown := [layer for layer in layers if layer not in known]:
        raise UserError(
            f"config.yaml: features.{space}.layers: {checked.extractor.name} has no layer "
            f"{', '.join(unknown)}; it has {', '.join(known)}"
        )


def _configured(
    space: str, block: FeatureSpace | FeatureSettings, config: Path | str
) -> tuple[Extractor, Section]:
    where = f"{config}: features.{space}"
    try:
        found = get(block.extractor, block.module)
    except UserError as error:
        raise UserError(f"{where}.extractor: {error}") from None
    try:
        return found, found.options.model_validate(block.options)
    except ValidationError as error:
        raise UserError(
            "\n".join(_option_line(where, found, line) for line in error.errors())
        ) from None


def _layers(
    found: Extractor,
    wanted: Sequence[str],
    options: Section,
    source: WeightSource | None,
    data: Path,
) -> tuple[str, ...]:
    folder = network_folder(source, data)
    if isinstance(source, HubSource) and folder is None and callable(found.layers):
        if not wanted or ALL in wanted:
            raise UserError(
                f"which there are is known once {source.model} is fetched; run `tristream weights "
                "fetch`, or list them"
            )
        return tuple(dict.fromkeys(wanted))
    known = found.layers_of(options, folder)
    if list(wanted) == [ALL]:
        return known
    unknown = [layer for layer in wanted if layer not in known]
    if unknown:
        raise UserError(
            f"{found.name} has no layer {', '.join(unknown)}; it has {', '.join(known)}"
        )
    return tuple(dict.fromkeys(wanted)) or found.default_of(options, folder)


def network_folder(source: WeightSource | None, data: Path) -> Path | None:
    """Where a network of the hub or of a folder lies; None if it is not there, or no network."""
    if isinstance(source, FolderSource):
        return Path(source.path)
    if isinstance(source, HubSource):
        folder = hub_folder(source, data)
        return folder if folder.is_dir() else None
    return None


def _option_line(where: str, found: Extractor, error: Any) -> str:
    key = ".".join(["options", *(str(part) for part in error["loc"])])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        options = ", ".join(found.options.model_fields) or "none"
        message = f"unknown option; {found.name} has {options}"
    return f"{where}.{key}: {message}"
