"""The atlas of calibration: error rates and power of every test on every design.

Each realisation draws features, training data and test data anew, and goes the whole way of a
study: run files, sample index, alignment, fit, test. The oracle's power is that of the same
statistic when its distribution without effect is known.

    python benchmarks/calibration.py --realisations 200
    python benchmarks/calibration.py --only ds001246 --realisations 50
"""

import argparse
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from helpers.calibration_cells import (  # noqa: E402
    HEADER,
    Cell,
    key,
    measure,
    merged,
    row,
    verdict,
)
from helpers.calibration_subjects import World  # noqa: E402

NOISE = {"AR .4": World(rho=0.4), "AR .7": World(rho=0.7), "smooth AR .7": World(0.7, smooth=1.5)}
ITEMS = World(rho=0.4, items=0.3)
SHARED = World(rho=0.4, shared=0.3)
OTHER = World(rho=0.4, other=0.2)
USELESS = "a band without use makes predictions worse: its unique variance is expected below zero"
# Where every run shows all labels, features of labels predict answers to them: an effect.
ITEM_DESIGNS = (
    *("bunny", "ds001246", "ds003720"),
    *("items, no rest", "items, rest", "test items in every run"),
)
ALL = (
    "bunny",
    "ds000105",
    "ds001246",
    "ds003717",
    "ds003720",
    "items, no rest",
    "items, rest",
    "blocks, no rest",
    "unequal runs and labels",
    "test items in every run",
    "localizer",
    "few blocks",
)
NAMED_ITEMS = ("ds003720", "items, no rest", "items, rest")


def cells() -> list[Cell]:
    """Every cell."""
    out = [
        Cell(d, "encoder", null, world, of_items=d in ITEM_DESIGNS)
        for d in ALL
        for null, world in NOISE.items()
    ]
    out += [Cell(d, "encoder", "answers to items", ITEMS, of_items=True) for d in ITEM_DESIGNS]
    for design in ALL:
        equal = World(rho=0.4, equal=0.2)
        out += [Cell(design, "model comparison", null, NOISE[null]) for null in ("AR .4", "AR .7")]
        out.append(Cell(design, "model comparison", "both predict alike", equal))
        out.append(Cell(design, "comparison by region", "AR .7", NOISE["AR .7"], planted=()))
        out.append(Cell(design, "comparison by region", "both predict alike", equal, planted=()))
        for null, world in (("AR .4", NOISE["AR .4"]), ("other band predicts", OTHER)):
            out.append(Cell(design, "partition", null, world, conservative=USELESS))
    labels = {"planted": (0.02, 0.05), "effect": "labels"}
    for design in [d for d in ALL if d not in ("bunny", "ds001246")]:
        out.append(Cell(design, "decoder", "AR .7", NOISE["AR .7"], **labels))
    out += [Cell(d, "decoder", "answers to items", ITEMS, **labels) for d in NAMED_ITEMS]
    for design in ("bunny", "ds001246", "items, rest"):
        out.append(Cell(design, "group: other stimuli", "shared answers to items", SHARED))
        out.append(Cell(design, "group: other people", "own answers to items", ITEMS))
    return out


def main() -> int:
    """Print rows as they come; the exit status says whether a test rejects too often."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--realisations", type=int, default=200)
    parser.add_argument(
        "--only", default="", help="text that a row must begin with or hold; several joined by +"
    )
    parser.add_argument("--downloads", type=Path, default=Path("data"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", type=Path, help="Markdown page whose table takes the rows")
    args = parser.parse_args()
    every, wrong = cells(), 0
    print("\n".join(HEADER))
    for cell in every:
        if not all(text in key(cell) for text in args.only.split("+")):
            continue
        with tempfile.TemporaryDirectory() as folder:
            rates = measure(cell, args.realisations, Path(folder), args.downloads, args.seed)
        line = row(cell, rates)
        wrong += "too often" in verdict(rates)
        print(line, flush=True)
        if args.page:
            page = args.page.read_text(encoding="utf-8")
            args.page.write_text(merged(page, [line], every), encoding="utf-8")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
