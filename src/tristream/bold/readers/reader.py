"""What every reader of BOLD offers, and how the one that a layout needs is found."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Generic, TypeVar, cast

from tristream.bold.cleaned import Reading
from tristream.bold.image_checks import Images
from tristream.bold.readers import reader_module
from tristream.config.base import Section
from tristream.config.settings.bold import ReadSettings
from tristream.fetch.receipt import Receipt

L = TypeVar("L", bound=Section)


class Reader(ABC, Generic[L]):
    """Reads the runs of one subject.

    Parameters
    ----------
    settings : ReadSettings
        The layout, and what else a reader may know of the study.
    receipt : Receipt
        Lists the subject's files.
    registered : sequence of Path
        The subject's normalisation and then the registrations of all its runs, for a layout that
        needs them.
    """

    def __init__(
        self, settings: ReadSettings, receipt: Receipt, registered: Sequence[Path] = ()
    ) -> None:
        self.settings = settings
        self.receipt = receipt
        self.registered = tuple(registered)

    @property
    def layout(self) -> L:
        """How the dataset's files are laid out."""
        return cast(L, self.settings.layout)

    @abstractmethod
    def inspect(self) -> Images:
        """Check that headers, sidecars, tables, grids and masks fit together.

        Raises
        ------
        UserError
            Whatever :meth:`prepare` would report that needs no data.
        """

    @abstractmethod
    def prepare(self, run: str) -> Reading:
        """Read one run in the voxels that all runs of the subject share.

        Raises
        ------
        UserError
            The file, what is wrong with it and what to do.
        """

    @abstractmethod
    def methods(self, reading: Reading) -> tuple[str, ...]:
        """What was done to give this reading, in sentences; cleaning adds its own."""


R = TypeVar("R", bound=Reader)
READERS: dict[str, type[Reader]] = {}
"""Kind of layout to its reader, of those modules that were imported."""


def reads(layout: type[Section]) -> Callable[[type[R]], type[R]]:
    """Register a class as the reader of a kind of layout.

    Raises
    ------
    TypeError
        If it lacks `inspect`, `prepare` or `methods`.
    """
    kind = layout.model_fields["kind"].default

    def register(reader: type[R]) -> type[R]:
        lacking = ", ".join(sorted(reader.__abstractmethods__))
        if lacking:
            raise TypeError(f"{reader.__name__}, reader of layout {kind}, lacks {lacking}")
        READERS[kind] = reader
        return reader

    return register


def open_reader(
    settings: ReadSettings, receipt: Receipt, registered: Sequence[Path] = ()
) -> Reader:
    """The reader of the settings' layout; no other reader's module is imported."""
    kind = settings.layout.kind
    import_module(reader_module(kind))
    return READERS[kind](settings, receipt, registered)
