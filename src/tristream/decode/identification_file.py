"""The home of the tables of an identification: figures with what must be known of them."""

from pathlib import Path

import pandas as pd

from tristream.store import Provenance, read_table, write_table

KIND = "identification"
NULL = {
    "chance": "mean under permuted identity of the items",
    "low": "2.5th percentile under permuted identity; n/a: runs were left out in turn",
    "high": "97.5th percentile under permuted identity; n/a: runs were left out in turn",
    "p": "(1 + permutations at least as large) / (1 + permutations); n/a: `omitted` says why",
}


def _tested(name: str, what: str) -> dict[str, str]:
    return {name: what} | {f"{name}_{key}": f"{name}: {text}" for key, text in NULL.items()}


COLUMNS = {
    "set": "seen: what was shown in held-out runs; imagined: what was imagined",
    "space": "Feature space; model, where items are identified through an encoding model",
    "layer": "Its layer, or the name of the model",
    "region": "Where it was decoded from: a region, or all together (names joined by +, or their "
    "number)",
    "decoder": "ridge: regression unit by unit; banded: banded ridge regression, regions as bands; "
    "better: of these the better for each unit in left-out training runs; contrastive: networks "
    "with a contrastive loss; "
    "encoder: the responses that an encoding model predicts, and those that were measured",
    "units": "Units of the layer; of an encoder, voxels",
    "voxels": "Voxels of the region",
    "items": "Items that were identified, averages over their showings",
    "showings": "Their showings",
    "training": "Presentations that decoders were fitted to (the most, of several fits)",
    "candidates": "Among how many an item is identified (the fewest, of unequal sets)",
    **_tested(
        "profile",
        "Correlation over items of predicted and true values, mean over the units that vary",
    ),
    **_tested("pairwise", "Share of wrong candidates that are less similar than the right one"),
    "pairwise_p_corrected": "p against the largest of all layers and regions in each permutation",
    **_tested("best", "Share of items whose right candidate is the most similar of all"),
    **_tested("top5", "Share of items whose right candidate is among the five most similar"),
    **_tested(
        "response",
        "The other way: share of other items' predictions that are less like an item than its own",
    ),
    **_tested("first_response", "Share of items to which their own prediction is the most similar"),
    "shared_categories": "Share of items whose category is in the training set; n/a: not known",
    "dimensions_predicted": "Participation ratio of predicted features over items",
    "dimensions_true": "Participation ratio of true features over items; n/a: encoder",
    "mean_pairwise": "Pairwise, of the mean training item as the prediction of all; of an encoder, "
    "of the mean response to all items as the response to each",
    "drawn_pairwise": "Pairwise, of training items drawn at random as predictions",
    "drawn_low": "2.5th percentile of the draws",
    "drawn_high": "97.5th percentile of the draws",
    "category_pairwise": "Pairwise, of the mean training item of the right category; n/a: none",
    "reliability": "Of imagined patterns: mean correlation of an item's in halves of the runs",
    "reliability_threshold": "What 5 % of permutations of items within runs exceed in the region "
    "where each is largest",
    "reliability_p": "p of the reliability against the largest of all regions in each permutation; "
    "n/a: the omissions say why",
    "reliable": "Whether it is significant at .05 (no, where it has no p); n/a where nothing was "
    "imagined",
}
SETS = {
    **{name: COLUMNS[name] for name in ("set", "space", "layer", "region", "decoder")},
    "n": "Size of the candidate sets",
    **_tested(
        "best", "Share of items whose right candidate is the most similar of n, mean of all sets"
    ),
}


def gate_of(region: str) -> str:
    """What an omission is called that says why a region's imagined patterns have no p."""
    return f"reliability of imagined patterns in {region}"


def write_identification(
    output: Path, sets: Path, rows: pd.DataFrame, growing: pd.DataFrame, provenance: Provenance
) -> None:
    """Write the table of layers and regions, and that of growing candidate sets.

    Parameters
    ----------
    output, sets : Path
    rows : DataFrame
        Columns as `COLUMNS`.
    growing : DataFrame
        Columns as `SETS`.
    provenance : Provenance
    """
    write_table(sets, growing[list(SETS)], provenance, SETS)
    write_table(output, rows[list(COLUMNS)], provenance, COLUMNS)


def read_identification(path: Path) -> tuple[pd.DataFrame, Provenance]:
    """Read one of the tables.

    Raises
    ------
    UserError
        If it is missing, damaged or of another kind.
    """
    return read_table(path, KIND)
