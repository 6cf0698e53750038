"""What a test is: it knows its null in words, and the sentences about what it did.

A test without sentences cannot be registered, and one that is not registered cannot be chosen.
"""

import inspect
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

Done = TypeVar("Done")


class Procedure(ABC, Generic[Done]):
    """A way to test, described by what it did.

    Attributes
    ----------
    null : str
        How the null arises, in a few words; files and reports have it.
    """

    null: ClassVar[str]

    @abstractmethod
    def methods(self, done: Done) -> tuple[str, ...]:
        """Sentences for a methods section, from what was done; papers as ``[@key]``."""


P = TypeVar("P", bound=Procedure)
REGISTERED: dict[str, type[Procedure]] = {}


def register(procedure: type[P]) -> type[P]:
    """Class decorator: make a test known by its null.

    Raises
    ------
    TypeError
        If it has no sentences, no null in words, or another test has the same.
    """
    if inspect.isabstract(procedure):
        missing = ", ".join(sorted(procedure.__abstractmethods__))
        raise TypeError(f"{procedure.__name__}: a test needs {missing}")
    null = getattr(procedure, "null", "")
    if not null or null in REGISTERED:
        raise TypeError(f"{procedure.__name__}: a test needs a null of its own, in words")
    REGISTERED[null] = procedure
    return procedure
