"""What is known of a dataset's files without asking anyone: the listing that was made last.

A dry run and a plan read it, so that they need neither the network nor git.
"""

import json
from pathlib import Path

from tristream.config.settings.fetch import FetchDatasetSettings
from tristream.config.sources import DataladSource
from tristream.errors import UserError
from tristream.fetch.clone import pinned
from tristream.fetch.receipt import Receipt
from tristream.hashing import hash_text


def remember(settings: FetchDatasetSettings, listed: Receipt) -> None:
    """Keep the listing of a DataLad dataset in the data folder."""
    place = _place(settings)
    if place is not None:
        listed.write(place)


def recall(settings: FetchDatasetSettings) -> Receipt | None:
    """The listing of a dataset at the commits that are pinned now, if there has been one."""
    place = _place(settings)
    return Receipt.read(place) if place is not None and place.is_file() else None


def _place(settings: FetchDatasetSettings) -> Path | None:
    """Named by all that a listing depends on; None for what is not (yet) a DataLad dataset."""
    source, inner = settings.source, settings.derivatives
    if not isinstance(source, DataladSource):
        return None
    try:
        pins = [source.url, pinned(source)]
    except UserError:  # the step that writes the dataset has not run
        return None
    pins.append(json.dumps(inner.model_dump(mode="json") if inner else None, sort_keys=True))
    digest = hash_text("\n".join(pins))[:12]
    return Path(settings.data) / "listings" / f"{settings.dataset}-{digest}.json"
