"""Score candidates on all voxels: the one place where large products are taken."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.low_rank import LowRankOperator
from tristream.encode.solvers.operators import Operator, Operators
from tristream.encode.solvers.problem import Problem, in_chunks
from tristream.encode.solvers.scores import Score

Progress = Callable[[Iterable[Any]], Iterable[Any]]
# Voxels at a time: their residuals stay in the cache of a CPU, and fill a GPU.
CHUNK = {"cpu": 256, "cuda": 16384}
# Candidates that are scored together, where targets have to be fetched for it; if they are at hand,
# one by one.
TOGETHER = 4
# Coordinates of targets without each group's own part may be this many times the targets.
APART = 1.2


def fast_type(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """The type in which candidates are searched: bfloat16 where it is the faster one.

    Only for float32 targets, on a CUDA device that has it, a CPU with AMX, or an AMD with
    AVX512-BF16: of an Intel without AMX the product takes half as long again as in float32.
    """
    if dtype != torch.float32:
        return dtype
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else dtype
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    amd = "AMD" in str(known.get("cpu_name", ""))
    faster = known.get("amx_bf16") or (amd and known.get("avx512_bf16"))
    return torch.bfloat16 if faster else dtype


def score_nodes(
    problem: Problem,
    operators: Operators,
    score: Score,
    candidates: Sequence[int],
    dtype: torch.dtype,
    hold: bool = False,
    progress: Progress = iter,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Planes of candidates for all voxels.

    Parameters
    ----------
    problem, operators, score
        What is solved.
    candidates : sequence of int
        Best sorted: those of one band weighting share its kernel.
    dtype : torch.dtype
        Of the products with targets.
    hold : bool
        Keep the operators, where there is room.
    progress : callable
        Wraps the loop.

    Yields
    ------
    candidates : list of int
        A few of them.
    planes : Tensor of shape (planes, candidates, voxels)
    """
    voxels = problem.targets.voxels
    tests = [len(test) for _, test in problem.folds.pairs()]
    chunk = CHUNK.get(problem.device.type, CHUNK["cuda"])
    together = 1 if problem.targets.kept else TOGETHER
    span = operators.span
    size = 0 if span is None else span.basis.shape[1]
    # Coordinates without each group's own part save half of the products, and memory allows them
    # where they are hardly more than the targets.
    apart = span is not None and len(tests) * size <= APART * problem.samples
    shape = (voxels, len(tests), size) if apart else (voxels, size)
    inside = torch.empty(shape, dtype=dtype, device=problem.device)

    def look(part: slice) -> None:
        rounded = problem.targets.rows(part).to(dtype).to(problem.targets.dtype)
        score.prepare(rounded, part)
        if span is None:
            return
        basis = span.rounded(rounded.dtype)
        coordinates = rounded @ basis
        if not apart:
            inside[part] = coordinates.to(dtype)
            return
        for f, rows in enumerate(span.folds.slices):
            inside[part, f] = (coordinates - rounded[:, rows] @ basis[rows]).to(dtype)

    in_chunks(voxels, chunk, look)
    blocks = range(0, len(candidates), together)
    products = [
        Product(problem.samples, tests, dtype, problem.device, apart) for _ in range(together)
    ]
    for start in progress(blocks):
        block = list(candidates[start : start + together])
        for product, candidate in zip(products, block, strict=False):
            product.take(operators.get(candidate, hold), score.predictions)
        parts: dict[int, torch.Tensor] = {}

        def step(
            part: slice, used: Sequence[Product] = products[: len(block)], parts: dict = parts
        ) -> None:
            y = problem.targets.rows(part).to(dtype)
            kind = problem.targets.dtype
            planes = [
                score.planes([own.to(kind)[:, None] for own in product(y, inside[part])], part)
                for product in used
            ]
            parts[part.start] = torch.cat(planes, 1)

        chunk = in_chunks(voxels, chunk, step)
        yield block, torch.cat([parts[at] for at in sorted(parts)], dim=2)


class Product:
    """What one candidate makes of targets that are left out, by products in a quick type.

    Parameters
    ----------
    samples : int
    tests : sequence of int
        Samples that each fold leaves out.
    dtype : torch.dtype
    device : torch.device
    apart : bool
        Whether coordinates come without each group's own part.
    """

    def __init__(
        self,
        samples: int,
        tests: Sequence[int],
        dtype: torch.dtype,
        device: torch.device,
        apart: bool = False,
    ) -> None:
        self.tests, self.apart = list(tests), apart
        self._shape = (samples, sum(tests))
        self._like = torch.empty(0, dtype=dtype, device=device)
        self._matrix: torch.Tensor | None = None
        self._folds: Folds | None = None
        self._residuals = True
        self._pieces: list[torch.Tensor] = []

    def take(self, operator: Operator, predictions: bool) -> None:
        """From now on that of another candidate."""
        self._pieces = []
        if isinstance(operator, LowRankOperator):
            self._folds, self._residuals = operator.folds, not predictions
            self._pieces = [
                p.to(self._like.dtype) for p in operator.pieces(predictions, self.apart)
            ]
            return
        if self._matrix is None:
            self._matrix = self._like.new_empty(self._shape)
        operator.fill(self._matrix, predictions)

    def __call__(self, y: torch.Tensor, inside: torch.Tensor) -> Sequence[torch.Tensor]:
        """Residuals or predictions (v, samples) of each fold.

        Parameters
        ----------
        y : Tensor of shape (v, n)
            Targets.
        inside : Tensor of shape (v, q), or (v, folds, q) if `apart`
            The same in the space of the kernels, if operators have one.
        """
        if not self._pieces:
            assert self._matrix is not None
            return (y @ self._matrix).split(self.tests, dim=1)
        assert self._folds is not None
        out = []
        for number, (f, piece) in enumerate(zip(self._folds.slices, self._pieces, strict=True)):
            own = y[:, f]
            both = inside[:, number] if self.apart else torch.cat([inside, own], 1)
            # A residual's own sample has the factor one exactly, which a piece would round.
            out.append(torch.addmm(own, both, piece, alpha=-1) if self._residuals else both @ piece)
        return out
