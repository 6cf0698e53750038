"""The pause of sparse acquisition: BIDS' ``DelayTime``, in which the scanner rests each TR."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tristream.errors import UserError
from tristream.store import Omission


def middle_of_scan(
    path: Path, sidecar: Mapping[str, Any], tr: float, lacks: str
) -> tuple[float, Omission]:
    """Where a volume stands if nothing says so (s), and what was assumed.

    The scan comes first in each TR and the pause after it, as BIDS has it.

    Parameters
    ----------
    path : Path
        The sidecar or image, named in messages.
    sidecar : dict
        ``DelayTime`` is used; 0 if it is not there.
    tr : float
        Seconds.
    lacks : str
        What does not say it, and what it lacks.

    Raises
    ------
    UserError
        If the pause is not shorter than the TR.
    """
    try:
        pause = float(sidecar.get("DelayTime", 0))
    except (TypeError, ValueError):
        pause = -1.0
    if not 0 <= pause < tr:
        raise UserError(
            f"{path}: DelayTime {sidecar['DelayTime']!r} is not within the TR of {tr:g} s; fix it"
        )
    if pause:
        assumed = f"the middle of {tr - pause:g} s of scan in each TR was assumed (DelayTime)"
    else:
        assumed = "TR / 2 was assumed, the middle of the acquisition"
    return (tr - pause) / 2, Omission("StartTime", f"{lacks}; {assumed}")


def middle_in_words(start: float, tr: float) -> str:
    """The sentence of the methods section, for what :func:`middle_of_scan` assumed."""
    if start == tr / 2:
        return "A volume was taken to stand for the middle of its repetition time."
    return (
        f"A volume was taken to stand for the middle of the {2 * start:g} s of scan of its "
        "repetition time."
    )
