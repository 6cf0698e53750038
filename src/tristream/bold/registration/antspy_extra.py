"""Whether the optional package that layout raw needs is installed; cheap enough for every parse."""

from importlib.util import find_spec

from tristream.errors import UserError


def require(dataset: str) -> None:
    """Check that antspyx is installed, without importing it.

    Parameters
    ----------
    dataset : str
        Dataset whose layout is ``raw``.

    Raises
    ------
    UserError
        If it is not.
    """
    if find_spec("ants") is None:
        raise UserError(
            f"{dataset}: layout raw needs the package antspyx; run `pip install 'tristream[raw]'`, "
            "or run fMRIPrep and name its outputs in layout"
        )
