"""Which fMRIPrep made the outputs of a dataset, in words for a methods section."""

from tristream.errors import UserError
from tristream.errors.json_text import read_object
from tristream.fetch.contents import DESCRIPTION
from tristream.fetch.receipt import Receipt


def fmriprep_cited(receipt: Receipt, derivatives: str) -> str:
    """fMRIPrep with its version, if the outputs state it, and its citation."""
    version = fmriprep_version(receipt, derivatives)
    return f"fMRIPrep {version} [@esteban2019]" if version else "fMRIPrep [@esteban2019]"


def fmriprep_version(receipt: Receipt, derivatives: str) -> str:
    """The version that made the outputs; empty if they don't state it.

    Parameters
    ----------
    receipt : Receipt
        Of the subject; lists the description of the derivatives where there is one.
    derivatives : str
        Their folder inside the dataset.

    Raises
    ------
    UserError
        If the description is not JSON.
    """
    path = f"{derivatives.strip('/')}/{DESCRIPTION}"
    if path not in {file.path for file in receipt.files}:
        return ""
    place = receipt.path(path)
    wrong = "can't be read as a description"
    content = read_object(place, wrong, "fix it")
    try:
        # `PipelineDescription` is what fMRIPrep wrote before BIDS had `GeneratedBy`.
        makers = [*content.get("GeneratedBy", []), content.get("PipelineDescription", {})]
        named = [m for m in makers if str(m.get("Name", "")).lower() == "fmriprep"]
    except (TypeError, AttributeError) as error:
        raise UserError(f"{place}: {wrong} ({error}); fix it") from None
    return str(named[0].get("Version", "")) if named else ""
