"""What the sidecars of raw images say, by the inheritance principle of BIDS."""

from typing import Any

from tristream.errors.json_text import read_object
from tristream.fetch.contents import inherited, raw_run
from tristream.fetch.receipt import Receipt


def raw_sidecar(subject: str, run: str, receipt: Receipt) -> dict[str, Any]:
    """What all sidecars that apply to a run's raw image say; the most specific one decides.

    Raises
    ------
    UserError
        If one of them is not JSON.
    """
    merged: dict[str, Any] = {}
    for name in inherited(f"{raw_run(subject, run)}_bold.json", receipt.find("_bold.json")):
        merged |= read_object(receipt.path(name), "not a usable sidecar", "fix it")
    return merged
