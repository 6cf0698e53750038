"""What is known of a dataset's files without asking anyone: the listing that was made last.

A dry run and a plan read it, so that they need neither the network nor git.
"""

import hashlib
import json
from pathlib import Path

from tristream.config.load import Resolved
from tristream.config.sources import DataladSource
from tristream.errors import UserError
from tristream.fetch.clone import pinned
from tristream.fetch.receipt import Receipt


def remember(resolved: Resolved, dataset: str, listed: Receipt) -> None:
    """Keep the listing of a DataLad dataset in the data folder."""
    place = _place(resolved, dataset)
    if place is not None:
        listed.write(place)


def recall(resolved: Resolved, dataset: str) -> Receipt | None:
    """The listing of a dataset at the commits that are pinned now, if there has been one."""
    place = _place(resolved, dataset)
    return Receipt.read(place) if place is not None and place.is_file() else None


def _place(resolved: Resolved, dataset: str) -> Path | None:
    """Named by all that a listing depends on; None for what is no DataLad dataset, or not yet."""
    source, inner = resolved.source(dataset), resolved.datasets[dataset].derivatives
    if not isinstance(source, DataladSource):
        return None
    try:
        pins = [source.url, pinned(source)]
    except UserError:  # the step that writes the dataset has not run
        return None
    pins.append(json.dumps(inner.model_dump(mode="json") if inner else None, sort_keys=True))
    digest = hashlib.sha256("\n".join(pins).encode()).hexdigest()[:12]
    return Path(resolved.study.data) / "listings" / f"{dataset}-{digest}.json"
