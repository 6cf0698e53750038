"""Labelled samples of arrays that are at hand, without files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tristream.decode.decoding_samples import Samples
from tristream.errors import UserError
from tristream.store import Omission

Floats = npt.NDArray[np.floating]


def labelled(
    x: Floats,
    labels: Sequence[Any],
    runs: Sequence[Any],
    *,
    blocks: Sequence[Any] | None = None,
    items: Sequence[Any] | None = None,
    test: Sequence[Any] = (),
    where: str = "x",
) -> Samples:
    """Samples for :func:`tristream.decode.decoding.decode`.

    Parameters
    ----------
    x : ndarray of shape (samples, voxels)
        Volumes, trials or averages of blocks.
    labels, runs : sequence of length samples
        What is to be decoded; runs are in the order of their first sample.
    blocks : sequence of length samples, optional
        Samples of one block in one run have one label, and exchange it together. Default: every
        sample is a block.
    items : sequence of length samples, optional
        What was shown. All showings of an item then keep one label, and no classifier is fitted to
        showings of the items that it is tested on.
    test : sequence, optional
        Runs that are held out for good. Default: every run in turn.
    where : str
        What the voxels are, for messages.

    Returns
    -------
    Samples
        Without voxels that are not finite in every sample; its `column` tells which are left.

    Raises
    ------
    UserError
        If shapes do not fit, a sample lacks a label, run, block or item, a block or an item has
        two labels, there are fewer than two labels, no voxel is finite, or a run of `test` is not
        there.
    """
    x = np.asarray(x, float)
    if x.ndim != 2 or not len(x):
        raise UserError(f"{where}: has shape {x.shape}; expected samples, voxels")
    given = {"labels": labels, "runs": runs, "blocks": blocks, "items": items}
    for name, values in given.items():
        if values is not None:
            _check_names(name, values, len(x), where)
    good = np.asarray(np.isfinite(x).all(0))
    if not good.any():
        raise UserError(f"{where}: no voxel has finite values in all samples; leave it out")
    run_names, run = _numbered(runs)
    own = np.arange(len(x)) if blocks is None else _numbered(blocks)[1]
    _, first, unit = np.unique(
        np.stack([run, own], 1), axis=0, return_index=True, return_inverse=True
    )
    unit = unit.ravel()
    classes, label = np.unique(np.asarray(labels).astype(str), return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"labels: only one ({classes[0]}); a decoder needs at least two")
    _one_label(label, unit, "block", blocks)
    item, item_names = np.arange(len(first)), list[str]()
    if items is not None:
        names, sample_item = np.unique(np.asarray(items).astype(str), return_inverse=True)
        _one_label(label, sample_item, "item", items)
        # Where each label is that of one item, what is new is the presentation.
        if len(names) > len(classes):
            item, item_names = sample_item[first], names.tolist()
    unknown = [run for run in test if str(run) not in run_names]
    if unknown:
        raise UserError(f"test: no sample has the run {unknown[0]!r}; runs: {', '.join(run_names)}")
    return Samples(
        x=x[:, good],
        unit=unit,
        label=label[first],
        run=run[first],
        length=np.bincount(unit),
        item=item,
        unit_names=[f"{run_names[run[k]]}/{k}" for k in first],
        classes=classes.tolist(),
        runs=run_names,
        test=np.isin(run_names, np.asarray(test).astype(str)),
        repeat=[""] * len(run_names),
        exchange="block" if items is None else "item",
        one_item=items is not None and len(names) == len(classes),
        item_names=item_names,
        column=np.flatnonzero(good),
        omitted=_left_out(good),
    )


def _check_names(name: str, values: Sequence[Any], samples: int, where: str) -> None:
    """Refuse what is not one name for each sample."""
    if len(values) != samples:
        raise UserError(f"{name}: {len(values)} values for {samples} samples of {where}")
    given = np.asarray(values, object)
    if given.ndim != 1:
        raise UserError(f"{name}: has shape {given.shape}; expected one value for each sample")
    lacking = np.array([bool(pd.isna(value)) or value == "" for value in given])
    if lacking.any():
        raise UserError(
            f"{name}: sample {int(lacking.argmax())} has none; leave out samples without one"
        )


def _left_out(good: npt.NDArray[np.bool_]) -> tuple[Omission, ...]:
    if good.all():
        return ()
    return (Omission(f"{(~good).sum()} of {good.size} voxels", "not finite in some sample"),)


def _numbered(values: Sequence[Any]) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Names in the order of their first sample, and the number of each sample's."""
    text = [str(value) for value in values]
    names = list(dict.fromkeys(text))
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[value] for value in text], dtype=np.intp)


def _one_label(
    label: npt.NDArray[np.integer],
    group: npt.NDArray[np.integer],
    what: str,
    names: Sequence[Any] | None,
) -> None:
    first = np.unique(group, return_index=True)[1]
    mixed = label != label[first][group]
    if mixed.any() and names is not None:
        name = names[int(mixed.argmax())]
        raise UserError(
            f"{what} {str(name)!r} has samples of two labels; what is permuted must have one"
        )
