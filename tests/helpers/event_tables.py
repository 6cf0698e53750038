"""Events and splits as the inventory would read them from a descriptor."""

from collections.abc import Mapping, Sequence

import pandas as pd

from tristream.config.dataset import Dataset
from tristream.config.events import EventReading
from tristream.errors import UserError
from tristream.fetch.receipt import Receipt
from tristream.stimuli.splits import split_table
from tristream.stimuli.subject_timelines import read_timelines
from tristream.stimuli.timelines import Timeline


def timelines_of(
    dataset: Dataset, subjects: Sequence[str], listing: Receipt
) -> dict[str, Timeline]:
    """What some subjects saw; an error, if one of them would be left out."""
    names = {subject: dataset.timeline_of(subject) for subject in subjects}
    timelines, left_out = read_timelines(EventReading.of(dataset), names, listing)
    for why in left_out.values():
        raise UserError(why)
    return timelines


def splits_of(
    dataset: Dataset, subjects: Sequence[str], timelines: Mapping[str, Timeline]
) -> pd.DataFrame:
    """Their runs, by split."""
    return split_table(EventReading.of(dataset), dataset.split, subjects, timelines)
