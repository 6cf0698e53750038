"""Hold the sentences of an encoding against what its file holds."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tristream.encode.encoding_file import Encoding, read_encoding
from tristream.encode.solvers.banded_ridge import dirichlet_candidates

NEVER = ("common order", "same order", "same times", "same stimuli")


def lies(path: Path, sentences: Sequence[str] | None = None) -> list[str]:
    """What the sentences of a file, or others in their place, get wrong about it."""
    encoding, provenance = read_encoding(path)
    text = " ".join(provenance.methods if sentences is None else sentences)
    wrong = [f"says {words!r}" for words in NEVER if words in text]
    for pattern, fact in facts(encoding):
        found = [tuple(map(number, match.groups())) for match in re.finditer(pattern, text)]
        if found != ([] if fact is None else [fact]):
            wrong.append(f"{pattern}: says {found}, is {fact}")
    return wrong


def number(text: str) -> object:
    """A number as one, a list of numbers as a tuple, else text."""
    parts = re.split(r", | and ", text)
    try:
        values = tuple(float(part.replace(",", "")) for part in parts)
    except ValueError:
        return text
    return values[0] if len(values) == 1 else values


def facts(encoding: Encoding) -> list[tuple[str, tuple | None]]:
    """Patterns of sentences, each with the numbers that it must hold; None: must not be there."""
    about, bands = encoding.about, encoding.bands
    kind, tr, tests = about["model_kind"], about["tr"], encoding.tests.values()
    train = len(encoding.fitted.runs)
    holdout, network = about["scheme"] == "holdout", kind == "tcn"
    banded, many = kind == "banded_ridge", len(bands) > 1
    grid = np.array(about["alphas"])
    delays = tuple(float(f"{d * tr:g}") for d in about["delays"])
    stepped = banded and about["solver"] == "gradient"
    tried = 1 if stepped else about.get("candidates", 1)
    weightings = len(dirichlet_candidates(tried, len(bands)))
    pairs = weightings * len(grid)
    what = "pairs of band weights and penalty" if weightings > 1 else "penalties"
    skeleton = banded and about["solver"] == "skeleton" and about["rank"] < pairs
    held_out = sum(len(t.runs) for t in tests)
    ceiling, left_out = encoding.ceiling, encoding.left_out
    mean = encoding.fitted.mixture is not None
    found = [test.mixture.temperature for test in tests if test.mixture is not None]
    noise = [float(f"{own(found):.2g}") for own in (min, max)] if mean else [0.0, 0.0]

    def when(condition: object, *values: object) -> tuple | None:
        return values if condition else None

    labels = [sum(map(len, spaces)) for spaces in about["layout"].values()]
    single = not network and len(grid) == 1 and weightings == 1
    chosen = not network and not single and not mean and not stepped
    rows: list[tuple[str, tuple | None]] = [
        (r"Encoding model (\w+) was", (about["model"],)),
        (r"Features were standardised over the training samples", ()),
        (r"Predictions were scored by their correlation r and by R²", ()),
        (r"layers scaled to equal power", when(network and sum(labels) > 1)),
        (r"spaces of a band, weigh alike", when(not network and max(labels) > 1)),
        (
            r"All bands had the same weight",
            when(banded and many and weightings == 1 and not stepped),
        ),
        (r"The penalty was ([\d.]+), relative", when(single, grid[0])),
        (r"was ridge regression of the band ", when(banded and not many)),
        (r"banded ridge regression \[@nunezelizalde2019; @dupre2022\]", when(banded and many)),
        (r"convex weights .*\[@breiman1996; @lin2023\]", when(kind == "stacking")),
        (r"temporal convolutional network \[@bai2018\]", when(network)),
        (
            r"delayed by ([\d., and]+) s, within runs \(TR ([\d.]+) s\)",
            when(
                not network and about["hrf"] == "fir" and any(delays),
                delays[0] if len(delays) == 1 else delays,
                tr,
            ),
        ),
        (
            r"when nothing was shown, features of labels and images were zero",
            when(
                about["items"] and (network or about["hrf"] == "spm" or any(delays)),
            ),
        ),
        (r"taken without delay", when(not network and about["hrf"] == "fir" and not any(delays))),
        (r"\[@friston1998\], within runs", when(not network and about["hrf"] == "spm")),
        (
            r"at most (\d+) principal components",
            when(about["components"], float(about["components"])),
        ),
        (
            r"weights of the bands \((\d+) candidates",
            when(banded and weightings > 1, float(weightings)),
        ),
        (
            r"penalty \((\d+) values from ([\d.e+-]+) to ([\d.e+-]+),",
            when(
                not network and len(grid) > 1 and not stepped, float(len(grid)), grid[0], grid[-1]
            ),
        ),
        (
            r"the best of (\d+) penalties \(([\d.e+-]+) to ([\d.e+-]+), .* (\d+) steps led .* "
            r"orthogonal .* did not rise stayed",
            when(stepped, float(len(grid)), grid[0], grid[-1], float(about.get("steps", 0))),
        ),
        (
            r"leaving out each of the (\d+) training runs",
            when(holdout and (network or pairs > 1), float(train)),
        ),
        (r"leaving out each of the other (\d+) runs", when(not holdout, float(train - 1))),
        (
            r"Of the ([\d,]+) (\D+?) ([\d,]+) were scored",
            when(skeleton, float(pairs), what, float(about.get("rank", 0))),
        ),
        (
            r"All ([\d,]+) (.+?) were scored",
            when(banded and pairs > 1 and not skeleton and not stepped, float(pairs), what),
        ),
        (r"chosen by cross-validated R²", when(chosen)),
        (r", pairs of the weights .* and the penalty .* were scored by R²", when(mean)),
        (
            r"mean of those of its near-best pairs, .* exp\(R²/T\) \[@breimanheuristics1996\]",
            when(mean),
        ),
        (r"near-best pairs and the best one \(([\d.e-]+)", when(mean, noise[0])),
        (r" to ([\d.e-]+)\)\. Weights of bands are means", when(noise[0] < noise[1], noise[1])),
        (r"AdamW", when(network)),
        (r"Shapley values \[@lundberg2017\]", when(network and many)),
        (r"Each of the (\d+) runs was held out once", when(not holdout, float(train))),
        (r"nested leave-one-run-out", when(not holdout)),
        (
            r"fitted to (\d+) training runs and tested on (\d+) held-out run",
            when(holdout, float(train), float(held_out)),
        ),
        (r"repeat one another were averaged", when(held_out > len(encoding.tests))),
        (r"averaged in Fisher z", when(len(encoding.tests) > 1)),
        (r"product measure \[@dupre2022\]", when(many)),
        (
            r"noise ceiling .*R = (\d+) repeats \[@sahani2003; @hsu2004\]",
            when(about["ceiling"] == "runs", float(about["n_repeats"])),
        ),
        (r"mean product of an item's responses in diff", when(about["ceiling"] == "items")),
        (r"less that of responses to different items", when(about["ceiling"] == "within runs")),
        (
            r"jackknife in Fisher z over (\d+) groups of exchange units",
            when(left_out, float(len(left_out.groups)) if left_out else 0),
        ),
        (r"neighbours in time \[@kunsch1989\]", when(left_out and left_out.groups.touching)),
        (r"corrected and bounded by the same jackknife", when(ceiling and left_out)),
        (r"negative control", when(about["control"] == "shifted")),
        (
            r"projected out of the BOLD",
            when(any(run.projection.shape[1] for run in encoding.fitted.runs.values())),
        ),
    ]
    for band, spaces in about["layout"].items():
        labels = ", ".join(label for layers in spaces for label in layers)
        rows.append((rf"\b{band} \({labels}\)", ()))
    rows.append((rf"Band (?!{'|'.join(bands)})", None))
    words = {"rbf": "a Gaussian kernel", "polynomial": "a polynomial kernel"}
    rows += [
        (f"Band {band} had {word}", when(not network and about["kernels"].get(band) == name))
        for band in bands
        for name, word in words.items()
    ]
    return rows
