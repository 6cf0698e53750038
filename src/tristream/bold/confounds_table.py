"""Confounds from a table of fMRIPrep's columns, by the strategies of nilearn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from nilearn.interfaces.fmriprep import load_confounds

from tristream.bold.cleaned import Confounds
from tristream.errors import UserError


def read_confounds(
    bold: Path, table: Path | None, strategies: Sequence[str], volumes: int, is_volume: bool
) -> Confounds:
    """Confounds of a run by nilearn's named strategies.

    Parameters
    ----------
    bold : Path
        The preprocessed image beside which the table lies; need not exist.
    table : Path or None
        The table; None where there is none.
    strategies : sequence of str
        ``layout.confounds``.
    volumes : int
        Of the run.
    is_volume : bool
        False where `bold` lies on a surface.

    Raises
    ------
    UserError
        If there is no table, it has another number of rows than the image has volumes, or lacks
        columns of a strategy.
    """
    if table is None:
        if strategies:
            raise UserError(
                f"{bold}: has no desc-confounds_timeseries.tsv beside it; fetch it, or set "
                "layout.confounds: [] in the descriptor"
            )
        return Confounds.none(volumes)
    try:
        content = pd.read_csv(table, sep="\t", na_values=["n/a"])
    except (ValueError, OSError) as error:
        raise UserError(f"{table}: not a table ({error}); fetch it again") from None
    if len(content) != volumes:
        raise UserError(
            f"{table}: has {len(content)} rows, but {bold.name} has {volumes} "
            "volumes; they are not of the same run"
        )
    words = [str(name) for name in content if not pd.api.types.is_numeric_dtype(content[name])]
    if len(content.columns) == 1 and words and "," in words[0]:
        raise UserError(f"{table}: has one column; separate columns by tabs, as BIDS has them")
    fd = pd.to_numeric(content.get("framewise_displacement", np.nan), errors="coerce")
    # nilearn finds the table by the image's name alone, and wants a volume's to be compressed.
    name = f"{str(bold).removesuffix('.gz')}.gz" if is_volume else str(bold)
    values, censor = _load(name, table, strategies, volumes, words)
    unsteady = content.filter(regex=r"^non_steady_state_outlier\d+$").any(axis=1)
    return Confounds(
        values.to_numpy(np.float64),
        tuple(values.columns),
        censor,
        np.broadcast_to(np.asarray(fd, np.float64), volumes).copy(),
        censor & unsteady.to_numpy(bool),
    )


def _load(
    name: str, table: Path, strategies: Sequence[str], volumes: int, words: Sequence[str]
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    try:
        values, sample_mask = load_confounds(
            name,
            strategy=tuple(strategies),
            motion="basic",
            wm_csf="basic",
            global_signal="basic",
        )
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, TypeError) and words:
            raise UserError(
                f"{table}: column {words[0]} holds words where numbers are due; fix the table"
            ) from None
        raise UserError(
            f"{table}: does not serve layout.confounds {list(strategies)}: "
            f"{' '.join(str(error).split())}"
        ) from None
    if values is None:
        values = pd.DataFrame(index=range(volumes))
    gaps = values.columns[~np.isfinite(values.to_numpy(np.float64)).all(axis=0)]
    if len(gaps):
        raise UserError(
            f"{table}: {', '.join(gaps)} hold n/a after the first row; fix the table or "
            "take another strategy in layout.confounds"
        )
    censor = np.zeros(volumes, bool)
    if sample_mask is not None:
        censor[:] = True
        censor[sample_mask] = False
    return values, censor
