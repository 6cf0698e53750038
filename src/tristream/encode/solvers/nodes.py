"""Score candidates on all voxels: the one place where large products are taken."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from tristream.encode.solvers.operators import Operators
from tristream.encode.solvers.problem import Problem, in_chunks
from tristream.encode.solvers.scores import Score

Progress = Callable[[Iterable[Any]], Iterable[Any]]
# Voxels at a time: their residuals stay in the cache of a CPU, and fill a GPU.
CHUNK = {"cpu": 256, "cuda": 16384}
# Candidates whose operators stand side by side in one product, where targets have to be fetched
# for it; if they are at hand, one by one.
TOGETHER = 4


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
    n, voxels = problem.samples, problem.targets.voxels
    tests = [len(test) for _, test in problem.folds.pairs()]
    width = sum(tests)
    chunk = CHUNK.get(problem.device.type, CHUNK["cuda"])
    together = 1 if problem.targets.kept else TOGETHER
    matrix = torch.empty(n, together * width, dtype=dtype, device=problem.device)

    def look(part: slice) -> None:
        rounded = problem.targets.rows(part).to(dtype)
        score.prepare(rounded.to(problem.targets.dtype), part)

    in_chunks(voxels, chunk, look)
    blocks = range(0, len(candidates), together)
    for start in progress(blocks):
        block = list(candidates[start : start + together])
        for j, candidate in enumerate(block):
            out = matrix[:, j * width : (j + 1) * width]
            operators.get(candidate, hold).fill(out, score.predictions)
        used = matrix[:, : len(block) * width].contiguous()
        parts: dict[int, torch.Tensor] = {}

        def step(part: slice, used: torch.Tensor = used, parts: dict = parts) -> None:
            y = problem.targets.rows(part).to(dtype)
            product = (y @ used).to(problem.targets.dtype).view(len(y), -1, width)
            parts[part.start] = score.planes(product.split(tests, dim=2), part)

        chunk = in_chunks(voxels, chunk, step)
        yield block, torch.cat([parts[at] for at in sorted(parts)], dim=2)
