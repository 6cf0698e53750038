"""How many columns and samples the feature spaces of a study have, before they have run."""

from typing import TYPE_CHECKING

from tristream.demands.report_size import SpaceSize
from tristream.features.core.checked_space import CheckedSpace, check

if TYPE_CHECKING:
    from tristream.config.fusion import Fusion
    from tristream.config.load import Resolved


def space_sizes(resolved: "Resolved") -> dict[str, SpaceSize]:
    """Sizes of all feature spaces of a study.

    Parameters
    ----------
    resolved : Resolved
        The checked study.

    Returns
    -------
    dict of str to SpaceSize
        Of each space of ``features:`` and ``fusion:``.
    """
    study = resolved.study
    found = {
        name: _size(check(name, block, data=study.data)) for name, block in study.features.items()
    }
    return found | {name: _fused(block, found) for name, block in study.fusion.items()}


def _size(space: CheckedSpace) -> SpaceSize:
    """Columns are those that the extractor names without having seen any."""
    found, options = space.extractor, space.options
    widths = tuple(len(found.names(layer, options, 0)) for layer in space.layers)
    window = found.window(space.layers[0], options)
    rate = getattr(options, "fps", None) or (1 / window if window else 1.0)
    return SpaceSize(found.media, found.images, widths, rate, found.classifier is not None)


def _fused(block: "Fusion", known: dict[str, SpaceSize]) -> SpaceSize:
    """As often as the first parent; no picture is drawn of what went in."""
    parents = [known[text.partition("/")[0]] for text in block.parents]
    columns = [width for parent in parents for width in parent.widths]
    together = sum(columns) if all(columns) else 0
    widths = (getattr(block, "components", together),) * len(block.layers)
    return SpaceSize("label", False, widths, parents[0].rate)
