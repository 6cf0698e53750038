"""What the sidecars of raw images say, by the inheritance principle of BIDS."""

import json
from typing import TYPE_CHECKING, Any

from tristream.errors import UserError
from tristream.fetch.contents import inherited, raw_run
from tristream.fetch.receipt import Receipt

if TYPE_CHECKING:
    from tristream.config.events import EventReading

# TRs that differ by less are equal (s).
TR_TOLERANCE = 1e-3


def raw_sidecar(subject: str, run: str, receipt: Receipt) -> dict[str, Any]:
    """What all sidecars that apply to a run's raw image say; the most specific one decides.

    Raises
    ------
    UserError
        If one of them is not JSON.
    """
    merged: dict[str, Any] = {}
    for name in inherited(f"{raw_run(subject, run)}_bold.json", receipt.find("_bold.json")):
        path = receipt.path(name)
        try:
            merged |= json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: not a usable sidecar ({error}); fix it") from None
    return merged


def check_repetition_time(
    reading: "EventReading", subject: str, listing: Receipt, tr: float
) -> None:
    """Check that a subject's raw sidecars, as far as there are some, state the descriptor's TR.

    Raises
    ------
    UserError
        Names the run, both TRs, and what to do.
    """
    for run in reading.runs_of(subject):
        stated = raw_sidecar(subject, run, listing).get("RepetitionTime", tr)
        if not isinstance(stated, int | float) or abs(stated - tr) > TR_TOLERANCE:
            raise UserError(
                f"{reading.dataset}: sub-{subject} {run}: its sidecars say RepetitionTime "
                f"{stated!r}, the descriptor `tr: {tr:g}` (s); correct what is wrong; a subject "
                "who was scanned at another TR than the others is left out of `subjects:` in "
                "config.yaml, or has a descriptor of its own"
            )
