"""From a layer's activations to columns: tokens chosen, space pooled, dimensions projected."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from tristream.config.base import Section
from tristream.features.core.networks.network_options import NetworkOptions

if TYPE_CHECKING:
    import torch

Tokens = Literal["patches", "cls", "all"]


class ColumnOptions(Section):
    """Options of networks that keep the picture's plan: what of a layer becomes a column."""

    pooling: str = Field(
        default="mean",
        pattern=r"^(mean|none|grid:[1-9][0-9]?)$",
        description="over the picture: mean, grid:K (means of K x K cells) or none",
    )
    project: int = Field(
        default=0, ge=0, description="columns of a sparse random projection; 0: none"
    )
    seed: int = Field(default=0, ge=0, description="seed of the projection")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="of the network's arithmetic; features are float32"
    )

    @property
    def grid(self) -> int:
        """Cells along a side; 0: no pooling."""
        if self.pooling == "none":
            return 0
        return int(self.pooling.partition(":")[2] or 1)


class LayerOptions(ColumnOptions, NetworkOptions):
    """Options of networks of ``transformers``."""

    tokens: Tokens = Field(
        default="patches", description="transformers: patches, cls (the class token), or all"
    )

    @model_validator(mode="after")
    def _possible(self) -> "LayerOptions":
        if self.tokens == "all" and self.pooling.startswith("grid"):
            raise ValueError("tokens: all includes tokens without a place; a grid needs patches")
        return self


def pooled(options: ColumnOptions) -> str:
    """How a layer is pooled over the picture, for a methods section."""
    if not options.grid:
        return "at every place of the picture"
    cells = f"each cell of a {options.grid} x {options.grid} grid on " if options.grid > 1 else ""
    return f"averaged over {cells}the picture"


def reduced(options: Any) -> str:
    """The random projection, if there is one, for a methods section."""
    if not options.project:
        return ""
    return f", reduced to {options.project} columns by a sparse random projection"


def columns(
    hidden: "torch.Tensor", options: LayerOptions, leading: int, aspect: float
) -> "torch.Tensor":
    """Columns of a layer: channels, and within each the cells in reading order.

    Parameters
    ----------
    hidden : tensor (n, c), (n, c, height, width) or (n, tokens, c)
        What ``transformers`` gives.
    options : LayerOptions
        Tokens and pooling.
    leading : int
        Tokens before those of the patches.
    aspect : float
        Height / width of the network's input.

    Returns
    -------
    tensor (n, p)
    """
    if hidden.ndim == 4:
        return pool(hidden, options.grid)
    if hidden.ndim == 2:
        return hidden
    if leading and options.tokens == "cls":
        return hidden[:, 0]
    if leading and options.tokens == "all":
        return hidden.mean(1) if options.grid else hidden.movedim(1, 2).flatten(1)
    patches = hidden[:, leading:].movedim(1, 2)
    return pool(patches.unflatten(2, patch_grid(patches.shape[2], aspect)), options.grid)


def patch_grid(patches: int, aspect: float) -> tuple[int, int]:
    """Rows and columns of the patches of a picture whose height / width is `aspect`."""
    rows = round((patches * aspect) ** 0.5)
    return rows, patches // rows


def pool(maps: "torch.Tensor", grid: int) -> "torch.Tensor":
    """Means of the cells of a grid of maps (n, c, height, width); with 0, all their points."""
    from torch.nn.functional import adaptive_avg_pool2d

    if grid == 0:
        return maps.flatten(1)
    if grid == 1:
        return maps.mean((2, 3))
    return adaptive_avg_pool2d(maps, grid).flatten(1)


class Projection:
    """Sparse random projections (Li, Hastie and Church 2006), one for each number of columns.

    The matrix depends on the seed and the two numbers of columns alone, so that it is the same in
    every pass, chunk and stimulus. A layer of no more columns than wanted stays as it is.

    Parameters
    ----------
    options : ColumnOptions
        ``project`` and ``seed``.
    """

    def __init__(self, options: ColumnOptions) -> None:
        self.wanted = options.project
        self.seed = options.seed
        self._matrices: dict[int, Any] = {}

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Project `values` (n, p) to (n, `project`)."""
        given = values.shape[1]
        if not 0 < self.wanted < given:
            return values
        if given not in self._matrices:
            self._matrices[given] = self._matrix(given)
        return np.asarray(values @ self._matrices[given], np.float32)

    def _matrix(self, given: int) -> Any:
        from sklearn.random_projection import SparseRandomProjection

        made = SparseRandomProjection(self.wanted, random_state=self.seed)
        return made.fit(np.zeros((1, given), np.float32)).components_.T.astype(np.float32)
