"""Whether the disk that a plan judges is what the results of a run take."""

from collections.abc import Mapping
from pathlib import Path

from tristream.config.load import load
from tristream.demands.results_size import results_bytes
from tristream.features.core.space_size import space_sizes
from tristream.stimuli.events_at_hand import samples_at_hand

FACTOR = 1.5


def judged(study: Path, images: Mapping[str, int] | None = None) -> int:
    """Bytes that results of the study in a folder are judged to take.

    Results are sought below the working directory: in another one than the study's it is what is
    judged before the run.
    """
    resolved = load(study / "config.yaml")
    counted = {name: samples_at_hand(resolved, name) for name in resolved.datasets}
    return results_bytes(resolved, images or {}, space_sizes(resolved), counted)


def used(study: Path) -> int:
    """Bytes of the files of the study's results."""
    files = (path for path in (study / "results").rglob("*") if not path.is_symlink())
    return sum(path.stat().st_size for path in files if path.is_file())


def holds(judged: int, used: int) -> bool:
    """Whether one is no more than `FACTOR` times the other."""
    return used / FACTOR < judged < used * FACTOR
