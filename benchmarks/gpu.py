"""What a GPU gives: parity with the CPU, and seconds beside himalaya on the same device.

For whoever has a card; six minutes on one of the H100 class. torch, numpy, h5py, scikit-learn and
himalaya (in a folder on PYTHONPATH) suffice; what needs more and is left out, the table says.
Nothing is claimed of GPUs but what such a table shows, with the name of its card.

1. Parity: the same choices on the device and on the CPU.
2. Banded ridge, n = 3,600, 80,000 voxels, 100 weightings, four bands, TF32 off and on; himalaya's
   random search timed on a few weightings, scaled.
3. Ridge with features fewer than samples; motion energy; an image network, and the share of the
   time in which the device is busy; permutations; steps of contrastive training.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --device cpu --quick     # tests the script
"""

import argparse
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tristream.encode.solvers import banded_ridge, ridge

ALPHAS = np.logspace(-1, 5, 20)
FOLDS, BANDS, FEW = 6, 4, 3
Row = tuple[str, str, str, str]
"""What, ours, himalaya or the CPU, remark."""


@dataclass(frozen=True)
class Size:
    """How large the measured problems are."""

    samples: int = 3600
    voxels: int = 80_000
    weightings: int = 100
    features: int = 500
    frames: int = 3000
    images: int = 2048
    permutations: int = 1000
    steps: int = 200


QUICK = Size(240, 400, 8, 40, 48, 8, 100, 3)


class Clock:
    """Seconds of calls, with the device's queue empty before and after."""

    def __init__(self, device: str) -> None:
        self.device = device

    def __call__(self, call: Callable[[], object], repeats: int = 1) -> float:
        """The quickest of `repeats` calls."""
        spent = []
        for _ in range(repeats):
            self.wait()
            start = time.perf_counter()
            call()
            self.wait()
            spent.append(time.perf_counter() - start)
        return min(spent)

    def wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)


def problem(samples: int, voxels: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Kernels of four bands, data that follow them, and the run of each sample."""
    rng = torch.Generator().manual_seed(0)
    kernels, signal = [], torch.zeros(samples, voxels)
    for _ in range(BANDS):
        x = torch.randn(samples, 200, generator=rng) / torch.arange(1, 201).sqrt()
        kernel = x @ x.T
        kernels.append(kernel / kernel.trace() * samples)
        weight = torch.rand(voxels, generator=rng)
        signal += x @ torch.randn(200, voxels, generator=rng) * weight
    noise = torch.randn(samples, voxels, generator=rng)
    y = 0.5 * signal / signal.std(0) + noise
    return torch.stack(kernels), y, np.arange(samples) * FOLDS // samples


def weightings(number: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(BANDS), number)


def parity(size: Size, device: str, clock: Clock) -> list[Row]:
    """The same choices, and scores, on the device and on the CPU."""
    kernels, y, runs = problem(min(size.samples, 600), min(size.voxels, 1000))
    gammas = weightings(20)
    here = banded_ridge.fit(kernels, y, runs, gammas, ALPHAS, solver="exact", device="cpu")
    there = banded_ridge.fit(
        kernels.to(device), y.to(device), runs, gammas, ALPHAS, solver="exact", device=device
    )
    same = (here.choice.gamma == there.choice.gamma.cpu()) & (
        here.choice.alpha == there.choice.alpha.cpu()
    )
    off = float((here.choice.score - there.choice.score.cpu()).abs().max())
    return [
        ("parity of banded ridge", f"{float(same.float().mean()):.2%} same", "", f"|Δ| ≤ {off:.1e}")
    ]


def banded(size: Size, device: str, clock: Clock) -> list[Row]:
    """Ours whole; himalaya's search, whose weightings cost alike, on a few."""
    kernels, y, runs = problem(size.samples, size.voxels)
    kernels, y = kernels.to(device), y.to(device)
    gammas, rows = weightings(size.weightings), []
    for tf32 in (False, True) if device.startswith("cuda") else (False,):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        ours = clock(lambda: banded_ridge.fit(kernels, y, runs, gammas, ALPHAS, device=device))
        theirs, remark = "himalaya absent", ""
        try:
            few = clock(lambda: himalaya_banded(kernels, y, runs, gammas[:FEW], device))
            theirs = f"{few / FEW * len(gammas):.1f} s"
            remark = f"ratio {few / FEW * len(gammas) / ours:.1f}; himalaya × {len(gammas)} / {FEW}"
        except ImportError:
            pass
        name = f"banded ridge, n {size.samples}, V {size.voxels}, G {len(gammas)}"
        name += f", TF32 {'on' if tf32 else 'off'}"
        rows.append((name, f"{ours:.1f} s", theirs, remark))
    torch.backends.cuda.matmul.allow_tf32 = False
    return rows


def backend(device: str) -> None:
    from himalaya.backend import set_backend

    set_backend("torch_cuda" if device.startswith("cuda") else "torch")


def himalaya_banded(
    kernels: torch.Tensor, y: torch.Tensor, runs: np.ndarray, gammas: np.ndarray, device: str
) -> None:
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from sklearn.model_selection import PredefinedSplit

    backend(device)
    solve_multiple_kernel_ridge_random_search(
        kernels,
        y,
        n_iter=torch.from_numpy(gammas.astype(np.float32)).to(device),
        alphas=torch.from_numpy(ALPHAS.astype(np.float32)).to(device),
        cv=PredefinedSplit(runs),
        fit_intercept=True,
        return_weights="dual",
        n_targets_batch=10_000,
        n_alphas_batch=5,
        n_targets_batch_refit=10_000,
        progress_bar=False,
    )


def ridge_cv(size: Size, device: str, clock: Clock) -> list[Row]:
    """One band, fewer features than samples."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(size.samples, size.features, generator=rng)
    y = x @ torch.randn(size.features, size.voxels, generator=rng) / size.features**0.5
    y += torch.randn(size.samples, size.voxels, generator=rng)
    x, y, runs = x.to(device), y.to(device), np.arange(len(x)) * FOLDS // len(x)
    ours = clock(lambda: ridge.fit([x], y, runs, np.ones((1, 1)), ALPHAS), 2)
    try:
        from himalaya.ridge import solve_ridge_cv_svd
        from sklearn.model_selection import PredefinedSplit

        backend(device)
        alphas = torch.from_numpy(ALPHAS.astype(np.float32)).to(device)
        theirs = clock(
            lambda: solve_ridge_cv_svd(
                x, y, alphas, fit_intercept=True, cv=PredefinedSplit(runs), n_targets_batch=10_000,
                warn=False,
            ),
            2,
        )  # fmt: skip
        return [
            (
                f"ridge, p {size.features}",
                f"{ours:.2f} s",
                f"{theirs:.2f} s",
                f"ratio {theirs / ours:.1f}",
            )
        ]
    except ImportError:
        return [(f"ridge, p {size.features}", f"{ours:.2f} s", "himalaya absent", "")]


def motion_energy(size: Size, device: str, clock: Clock) -> list[Row]:
    """Frames a second through the default pyramid, and the largest difference from the CPU."""
    from tristream.features.spaces.motion_energy import Bank, MotionEnergyOptions

    options = MotionEnergyOptions()
    rng = torch.Generator().manual_seed(0)
    width, height = options.size
    frames = 100 * torch.rand(size.frames, height, width, generator=rng)
    bank, moved = Bank(options, device), frames.to(device)
    spent = clock(lambda: bank.project(moved), 2)
    some = frames[: 2 * options.width]
    off = (bank.project(some.to(device)).cpu() - Bank(options, "cpu").project(some)).abs().max()
    rate = f"{len(frames) / spent:.0f} frames/s"
    return [("motion energy", rate, "", f"|Δ log energy| from the CPU ≤ {float(off):.1e}")]


def image_network(size: Size, device: str, clock: Clock) -> list[Row]:
    """A random ResNet-50 of `transformers`, fed from the host; how long the device is at work."""
    try:
        from transformers import ResNetConfig, ResNetModel
    except ImportError:
        return [("image network", "left out", "", "transformers is absent")]
    network = ResNetModel(ResNetConfig()).eval().to(device)
    side, batch = (224, 64) if size.images > 64 else (64, 4)
    host = torch.rand(batch, 3, side, side)
    if device.startswith("cuda"):
        host = host.pin_memory()
    times = size.images // batch

    def fed() -> None:
        with torch.inference_mode():
            for _ in range(times):
                network(host.to(device, non_blocking=True)).pooler_output.cpu()

    held = host.to(device)

    def alone() -> None:
        with torch.inference_mode():
            for _ in range(times):
                network(held)

    alone()
    busy, spent = clock(alone), clock(fed)
    return [
        (
            "image network, ResNet-50",
            f"{times * batch / spent:.0f} images/s",
            "",
            f"device busy {min(busy / spent, 1):.0%}",
        )
    ]


def permutations(size: Size, device: str, clock: Clock) -> list[Row]:
    """Sums of looked-up rows, as a block permutation takes them: device against CPU."""
    blocks, voxels = 60, min(size.voxels, 8000)
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(blocks) for _ in range(size.permutations)])
    rows = torch.from_numpy(orders + blocks * np.arange(blocks))
    table = torch.randn(blocks**2, voxels)

    def take(rows: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.embedding_bag(rows, table, mode="sum")

    there = rows.to(device), table.to(device)
    off = float((take(*there).cpu() - take(rows, table)).abs().max())
    spent, cpu = clock(lambda: take(*there), 3), Clock("cpu")(lambda: take(rows, table), 3)
    name = f"{size.permutations} permutations of {voxels} voxels"
    return [(name, f"{spent:.3f} s", f"{cpu:.3f} s (CPU)", f"|Δ| ≤ {off:.1e}")]


def contrastive(size: Size, device: str, clock: Clock) -> list[Row]:
    """Steps of the joint embedding's training."""
    from tristream.config.fusion import JointEmbedding
    from tristream.features.fusion.embedding import Towers

    block = JointEmbedding.model_construct(
        **{name: field.default for name, field in JointEmbedding.model_fields.items()}
    )
    batch, widths = 512, [1280, 512]
    network = Towers(widths, block).to(device)
    parts = [torch.randn(batch, width, device=device) for width in widths]
    near = torch.zeros(batch, batch, dtype=torch.bool, device=device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step() -> None:
        loss, _ = network.loss(parts, near)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    step()
    spent = clock(lambda: [step() for _ in range(size.steps)])
    return [
        ("contrastive training", f"{size.steps / spent:.0f} steps/s", "", f"batches of {batch}")
    ]


PARTS = (parity, banded, ridge_cv, motion_energy, image_network, permutations, contrastive)


def main() -> None:
    """Measure every part and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=found, help=f"of torch (here {found})")
    parser.add_argument("--quick", action="store_true", help="small sizes, to test the script")
    args = parser.parse_args()
    device = args.device
    card = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor()
    print(
        f"{card or 'CPU'}; torch {torch.__version__}; {'quick' if args.quick else 'whole'} sizes\n"
    )
    print("| what | ours | himalaya, or the CPU | remark |\n|---|---|---|---|", flush=True)
    size, clock = (QUICK if args.quick else Size()), Clock(device)
    failed = 0
    for part in PARTS:
        start = time.perf_counter()
        try:
            rows = part(size, device, clock)
        except ImportError as error:
            rows = [(part.__name__, "left out", "", str(error))]
        except (RuntimeError, ValueError) as error:
            failed += 1
            rows = [(part.__name__, "failed", "", str(error).splitlines()[0])]
        for row in rows:
            print(f"| {' | '.join(row)} |", flush=True)
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        print(f"<!-- {part.__name__}: {time.perf_counter() - start:.1f} s -->", flush=True)
    print(f"\nRATIO parts_that_failed={failed}")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
