"""Which labels, and which things, a decoder meets both in training and in test runs."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class LabelOverlap:
    """Labels and items of training and test runs.

    Attributes
    ----------
    train, test : int
        Labels of training and of test runs.
    shared : list of str
        Labels in both.
    untrained : list of str
        Labels of test runs that no training run has: a classifier cannot name them.
    test_items : int
        Labelled things of test runs; none where events show a label and no thing is named.
    shared_items : list of str
        Those that training runs show, too.
    """

    train: int
    test: int
    shared: list[str]
    untrained: list[str]
    test_items: int
    shared_items: list[str]

    @property
    def note(self) -> str:
        """In words, what a decoder of these labels can show."""
        items = (
            f"; {len(self.shared_items)} of the {self.test_items} labelled items of test runs are "
            "in training runs, too"
            if self.test_items
            else ""
        )
        if not self.shared:
            return (
                f"none of test runs ({self.test}) is in a training run ({self.train}): no "
                "classifier can name them, and decoding goes by features alone"
            )
        if self.untrained:
            return (
                f"{len(self.untrained)} of the {self.test} in test runs are in no training run, "
                f"and no classifier can name them{items}"
            )
        return (
            f"all {self.test} in test runs are in training runs: decoding says that they differ, "
            f"not that it holds for other categories{items}"
        )

    @property
    def flagged(self) -> bool:
        """Whether a decoder has to be read with care: untrained labels, or things met before."""
        return bool(self.untrained or self.shared_items)


def label_overlap(events: pd.DataFrame, runs: pd.DataFrame) -> LabelOverlap | None:
    """Compare labels of one timeline; None if training or test runs have none.

    Parameters
    ----------
    events : DataFrame
        Rows of one timeline of the inventory.
    runs : DataFrame
        Its rows of the splits. A run that is left out in turn has the others as training runs.
    """
    kept = events[events["label"].notna() & events["keep"].astype(bool)]
    split = dict(zip(runs["run"], runs["split"], strict=True))
    kept = kept.assign(split=kept["run"].map(split))
    train_runs, test_runs = (
        set(kept.loc[kept["split"] != other, "run"]) for other in ("test", "train")
    )
    if not train_runs or not test_runs or len(train_runs | test_runs) < 2:
        return None
    train, test, shared = _in_others(kept, "label")
    _, items, shared_items = _in_others(kept[kept["item"] != kept["label"]], "item")
    return LabelOverlap(
        train=len(train),
        test=len(test),
        shared=sorted(shared),
        untrained=sorted(test - shared),
        test_items=len(items),
        shared_items=sorted(shared_items),
    )


def _in_others(kept: pd.DataFrame, column: str) -> tuple[set[str], set[str], set[str]]:
    """Values of training and of test runs, and those of tests that other, training runs have."""
    train, test = kept[kept["split"] != "test"], kept[kept["split"] != "train"]
    where = train.groupby(column)["run"].agg(set)
    shared = {
        str(row[column])
        for row in test[[column, "run"]].drop_duplicates().to_dict("records")
        if where.get(row[column], set()) - {row["run"]}
    }
    return set(map(str, train[column])), set(map(str, test[column])), shared
