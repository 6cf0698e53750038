"""What one candidate does to targets: dual weights, intercept, and predictions of left-out groups.

All groups come from one inverse. With C = (K + alpha I)^-1 and B_f = (C_ff)^-1, the residuals of
group f under the model fitted without it are B_f (C y)_f (An, Liu & Venkatesh 2007, Pattern
Recognition 40:2154). An intercept that is not penalised borders the system with a column of ones;
its Schur complement makes C - C 1 1'C / (1'C 1) of C, and everything else stays. Where samples have
weights the root of these stands in place of ones.

Targets are rows here, so operators stand on their right.
"""

from dataclasses import dataclass

import torch

from tristream.encode.solvers.folds import Folds
from tristream.encode.solvers.low_rank import LowRankOperator, Span
from tristream.encode.solvers.problem import Problem
from tristream.encode.solvers.sample_weights import less_constant, level, root_of, spanned

# Penalty over trace. Below, float32 loses more than 1e-4 of a score:
SINGLE = 2e-5
# below, a block of a float64 inverse is inexact too;
DOUBLE = 1e-9
# above, what is left of the kernel in the inverse is rounded away in float32, in float64.
# That only matters to the direction of predictions, thus to correlation.
SINGLE_DIRECTION, DOUBLE_DIRECTION = 1.0, 1e4
# Eigenvalues below this share of the largest are rounding, in float64 and float32 kernels.
RANK = {torch.float64: 1e-13, torch.float32: 1e-6}


@dataclass(frozen=True)
class BlockOperator:
    """One inverse and the inverses of its diagonal blocks.

    Attributes
    ----------
    inverse : Tensor of shape (n, n)
        C times `scale`.
    scale : float
    boost : float
        What keeps predictions in range: 1 + alpha over the kernel's mean diagonal.
    mean : Tensor of shape (n,)
        Intercept of targets y: y @ mean.
    blocks : list of Tensor
        B_f / scale.
    folds : Folds
    root : Tensor of shape (n,) or None
        Root of each sample's weight.
    """

    inverse: torch.Tensor
    scale: float
    boost: float
    mean: torch.Tensor
    blocks: list[torch.Tensor]
    folds: Folds
    root: torch.Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Type of all of it."""
        return self.inverse.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.inverse.nbytes + sum(own.nbytes for own in self.blocks)

    def fill(self, out: torch.Tensor, predictions: bool) -> None:
        """Write into `out` (n, n) what turns targets into left-out residuals or predictions.

        Predictions are centred in their group, and times `boost`.
        """
        for f, own in zip(self.folds.slices, self.blocks, strict=True):
            columns = self.inverse[:, f] @ own
            if predictions:
                columns.mul_(-self.boost)
                columns[f] = 0
                columns = less_constant(columns, root_of(self.root, f))
            out[:, f] = columns

    def solve(self, y: torch.Tensor) -> torch.Tensor:
        """Dual weights of targets, times `scale`."""
        return y @ self.inverse

    def residuals(self, y: torch.Tensor, solved: torch.Tensor) -> list[torch.Tensor]:
        """Left-out residuals of every group, from targets and what :meth:`solve` makes of them."""
        slices = self.folds.slices
        return [solved[:, f] @ own for f, own in zip(slices, self.blocks, strict=True)]

    def predictions(self, y: torch.Tensor, solved: torch.Tensor) -> list[torch.Tensor]:
        """Left-out predictions of every group."""
        residuals = self.residuals(y, solved)
        return [y[:, f] - r for f, r in zip(self.folds.slices, residuals, strict=True)]


@dataclass(frozen=True)
class ExplicitOperator:
    """Every fold's model fitted by itself; for folds or penalties that blocks can't serve.

    Attributes
    ----------
    inverse, scale, boost, mean
        As of :class:`BlockOperator`; of a kernel of lower rank, on its range alone.
    columns : list of Tensor of shape (n, test samples)
        y @ columns are the left-out predictions of targets y, times `boost` and without the
        training mean.
    averages : list of Tensor of shape (n,)
        y @ averages is the training mean of each fold, or 0 without an intercept.
    tests : list
        Test rows of every fold.
    root : Tensor of shape (n,) or None
        Root of each sample's weight.
    """

    inverse: torch.Tensor
    scale: float
    boost: float
    mean: torch.Tensor
    columns: list[torch.Tensor]
    averages: list[torch.Tensor]
    tests: list[torch.Tensor]
    root: torch.Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Type of all of it."""
        return self.inverse.dtype

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.inverse.nbytes + sum(own.nbytes for own in self.columns)

    def fill(self, out: torch.Tensor, predictions: bool) -> None:
        """As of :class:`BlockOperator`; `out` has as many columns as there are test samples."""
        start = 0
        for columns, average, test in zip(self.columns, self.averages, self.tests, strict=True):
            part, root = out[:, start : start + len(test)], root_of(self.root, test)
            if predictions:
                part.copy_(less_constant(columns, root))
            else:
                residual = columns.div(-self.boost).sub_(spanned(average[:, None], root, columns))
                residual[test, torch.arange(len(test))] += 1
                part.copy_(residual)
            start += len(test)

    def solve(self, y: torch.Tensor) -> torch.Tensor:
        """Dual weights of targets, times `scale`."""
        return y @ self.inverse

    def residuals(self, y: torch.Tensor, solved: torch.Tensor) -> list[torch.Tensor]:
        """Left-out residuals of every fold."""
        parts = zip(self.columns, self.averages, self.tests, strict=True)
        return [
            y[:, t] - y @ c / self.boost - spanned((y @ a)[:, None], root_of(self.root, t), y)
            for c, a, t in parts
        ]

    def predictions(self, y: torch.Tensor, solved: torch.Tensor) -> list[torch.Tensor]:
        """Left-out predictions of every fold, scaled and less a constant."""
        return [y @ columns for columns in self.columns]


Operator = BlockOperator | ExplicitOperator | LowRankOperator


@dataclass(frozen=True)
class _Spectrum:
    """A training kernel's eigenvalues and vectors, and the test rows in their terms."""

    values: torch.Tensor
    vectors: torch.Tensor
    test: torch.Tensor


class Operators:
    """Builds operators of candidates, and holds some of them.

    Parameters
    ----------
    problem : Problem
    accurate : bool
        Always in float64; else where float32 would not do.
    memory : int
        Bytes that held operators may take.
    span : Span, optional
        The space that kernels lie in; candidates that it holds are solved there.
    """

    def __init__(
        self, problem: Problem, accurate: bool, memory: int, span: Span | None = None
    ) -> None:
        self.problem = problem
        self.span = span
        self.accurate = accurate
        self.memory = memory
        self._held: dict[int, Operator] = {}
        self._mixed: tuple[object, torch.Tensor] | None = None
        self._spectra: tuple[object, list[_Spectrum], _Spectrum, torch.Tensor] | None = None

    def __contains__(self, candidate: int) -> bool:
        return candidate in self._held

    def get(self, candidate: int, hold: bool = False) -> Operator:
        """The operator of a candidate, held from now on if asked and if there is room."""
        if candidate in self._held:
            return self._held[candidate]
        operator = self._build(candidate)
        if hold and operator.nbytes <= self.memory:
            self.memory -= operator.nbytes
            self._held[candidate] = operator
        return operator

    def _build(self, candidate: int) -> Operator:
        problem = self.problem
        trace, alpha = problem.trace(candidate), problem.penalty(candidate)
        ratio = alpha / trace if trace > 0 else torch.inf
        directed = problem.score == "correlation"
        explicit = ratio < DOUBLE or trace <= 0 or (directed and ratio > DOUBLE_DIRECTION)
        whole = self.span is not None and self.span.whole
        if not isinstance(problem.folds, Folds) or (explicit and not whole):
            return self._explicit(candidate)
        single = ratio > SINGLE and not (directed and ratio > SINGLE_DIRECTION)
        dtype = torch.float64 if self.accurate or not single else problem.targets.dtype
        weights = problem.weighting(candidate)
        if self.span is not None and (whole or self.span.holds(weights, alpha)):
            size = scales(alpha, trace / problem.samples)
            spanned = self.span.operator(weights, alpha, *size, dtype)
            if spanned is not None:
                return spanned
            if whole:
                raise ValueError(
                    f"alpha {alpha:g} is {ratio:.0e} of the trace of the kernel, too small where "
                    "runs left out have directions of their own: begin `alphas` higher"
                )
        root = problem.targets.root
        found = block_operator(
            self._mix(candidate, dtype), alpha, problem.folds, problem.intercept, root
        )
        return self._explicit(candidate) if found is None else found

    def _mix(self, candidate: int, dtype: torch.dtype) -> torch.Tensor:
        key = (candidate // len(self.problem.alphas), dtype)
        if self._mixed is None or self._mixed[0] != key:
            self._mixed = None  # Its memory is the next one's.
            self._mixed = (key, self.problem.kernel(candidate, dtype))
        return self._mixed[1]

    def _explicit(self, candidate: int) -> ExplicitOperator:
        problem = self.problem
        weighting = candidate // len(problem.alphas)
        if self._spectra is None or self._spectra[0] != weighting:
            kernel = problem.kernel(candidate, torch.float64)
            check_semidefinite(problem, candidate, kernel)
            root = problem.targets.root
            tolerance = RANK[torch.promote_types(problem.kernels[0].dtype, torch.float32)]
            folds = [
                _spectrum(
                    kernel,
                    self._index(train),
                    self._index(test),
                    problem.intercept,
                    tolerance,
                    root,
                )
                for train, test in problem.folds.pairs()
            ]
            rows = torch.arange(len(kernel), device=kernel.device)
            whole = _spectrum(kernel, rows, rows[:0], problem.intercept, tolerance, root)
            self._spectra = (weighting, folds, whole, level(kernel, root)[:, 0])
        _, folds, whole, column_mean = self._spectra
        alpha, root = problem.penalty(candidate), problem.targets.root
        n = problem.samples
        scale, boost = scales(alpha, problem.trace(candidate) / n)
        columns, averages, tests = [], [], []
        for spectrum, (train, test) in zip(folds, problem.folds.pairs(), strict=True):
            rows = self._index(train)
            full = torch.zeros(n, len(test), dtype=torch.float64, device=problem.device)
            gain = boost / (spectrum.values + alpha)
            full[rows] = (spectrum.vectors * gain) @ spectrum.test.T
            average = torch.zeros(n, dtype=torch.float64, device=problem.device)
            if problem.intercept:
                own = root_of(root, rows)
                full[rows] = less_constant(full[rows], own, 0)
                average[rows] = 1 / len(train) if own is None else own / own.square().sum()
            columns.append(full)
            averages.append(average)
            tests.append(self._index(test))
        inverse = (whole.vectors * (scale / (whole.values + alpha))) @ whole.vectors.T
        mean = torch.zeros_like(column_mean)
        if problem.intercept:
            inverse = less_constant(inverse, root, 0)
            constant = 1 / n if root is None else root / root.square().sum()
            mean = constant - inverse @ column_mean / scale
        return ExplicitOperator(inverse, scale, boost, mean, columns, averages, tests, root)

    def _index(self, rows: object) -> torch.Tensor:
        return torch.as_tensor(rows, device=self.problem.device)


def block_operator(
    kernel: torch.Tensor,
    alpha: float,
    folds: Folds,
    intercept: bool,
    root: torch.Tensor | None = None,
) -> BlockOperator | None:
    """Invert K + alpha I and its diagonal blocks; None where it is not positive definite.

    Parameters
    ----------
    kernel : Tensor of shape (n, n)
        In the folds' order.
    alpha : float
    folds : Folds
    intercept : bool
    root : Tensor of shape (n,), optional
        Root of each sample's weight, by which the kernel is multiplied already.
    """
    scale, boost = scales(alpha, float(kernel.diagonal().mean()))
    penalised = kernel / scale
    penalised.diagonal().add_(alpha / scale)
    inverse = _invert(penalised)
    if inverse is None:
        return None
    mean = torch.zeros_like(inverse[0])
    if intercept:
        constant = None if root is None else root.to(inverse.dtype)
        ones = inverse.sum(1) if constant is None else inverse @ constant
        mean = ones / (ones.sum() if constant is None else ones @ constant)
        inverse.addr_(mean, ones, alpha=-1)
    blocks = []
    for f in folds.slices:
        block = _invert(inverse[f, f].clone(memory_format=torch.contiguous_format))
        if block is None:
            return None
        blocks.append(block)
    return BlockOperator(inverse, scale, boost, mean, blocks, folds, root)


def _invert(matrix: torch.Tensor) -> torch.Tensor | None:
    """Invert a symmetric matrix in its own memory; None where it is not positive definite.

    Without copies it takes three quarters of the time.
    """
    columns = matrix.T  # As LAPACK has them.
    failed = torch.empty((), dtype=torch.int32, device=matrix.device)
    torch.linalg.cholesky_ex(columns, out=(columns, failed))
    return None if int(failed) else torch.cholesky_inverse(columns, out=columns)


def scales(alpha: float, diagonal: float) -> tuple[float, float]:
    """Of inverses and of predictions: penalties from 1e-10 to 1e20 neither vanish nor overflow."""
    scale = alpha + diagonal
    return scale, scale / diagonal if diagonal > 0 else 1.0


def _spectrum(
    kernel: torch.Tensor,
    train: torch.Tensor,
    test: torch.Tensor,
    intercept: bool,
    tolerance: float,
    root: torch.Tensor | None,
) -> _Spectrum:
    """Eigenvectors of a training kernel, centred on its rows, and the test rows against them."""
    own, new = kernel[train][:, train], kernel[test][:, train]
    if intercept:
        here, there = root_of(root, train), root_of(root, test)
        mean = level(own, here)[:, 0]
        # Test rows less the mean of training rows, then each less what is along the constant.
        taken = mean if there is None else there[:, None].to(own) * mean
        new = less_constant(new - taken, here)
        own = less_constant(less_constant(own, here, 0), here)
    values, vectors = torch.linalg.eigh(own)
    real = values > tolerance * values[-1].clamp_min(0)
    values, vectors = values[real], vectors[:, real]
    return _Spectrum(values, vectors, new @ vectors)


def check_semidefinite(problem: Problem, candidate: int, kernel: torch.Tensor) -> None:
    """Refuse a kernel that is none.

    Raises
    ------
    ValueError
        Naming the bands that are mixed.
    """
    values = torch.linalg.eigvalsh(kernel)
    if values[0] < -1e-4 * values.abs().max():
        bands = [str(b) for b, weight in enumerate(problem.weighting(candidate)) if weight > 0]
        raise ValueError(
            f"the kernel of band {' and '.join(bands)} has negative eigenvalues: "
            "it is not an inner product of features"
        )
