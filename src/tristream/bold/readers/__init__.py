"""Readers of BOLD: a module for each kind of layout, of the layout's name."""


def reader_module(kind: str) -> str:
    """The module that reads a kind of layout (``fmriprep``, ``raw`` …); rules name it in keys."""
    return f"{__name__}.{kind}"
