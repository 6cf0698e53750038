"""Scores of regimes over seeds: means, standard errors, gains on the frozen network."""

import pandas as pd

MEASURES = ("brain", "label")


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, and gains on the frozen network of the same seed.

    Parameters
    ----------
    scores : DataFrame
        Columns ``seed``, ``regime``, ``brain``, ``label``, as of
        :attr:`tristream.encode.regimes.RegimeComparison.scores`.

    Returns
    -------
    DataFrame
        As :attr:`tristream.encode.regimes.RegimeComparison.summary`.
    """
    columns = {}
    for measure in MEASURES:
        table = scores.pivot(index="seed", columns="regime", values=measure)
        gain = table.sub(table["frozen"], axis=0)
        columns[measure], columns[f"{measure}_se"] = table.mean(), table.sem()
        columns[f"{measure}_gain"], columns[f"{measure}_gain_se"] = gain.mean(), gain.sem()
    return pd.DataFrame(columns).loc[list(dict.fromkeys(scores["regime"]))]
