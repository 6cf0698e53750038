"""Text of datasets in tables that people open in a spreadsheet, which would run it as a formula."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# What a spreadsheet takes for a formula, also behind marks that it is none.
FORMULA = re.compile(r"'*[=+\-@\t\r]")


def harmless(table: "pd.DataFrame") -> "pd.DataFrame":
    """Text that a spreadsheet would evaluate gets the mark ``'`` before it; numbers do not."""

    def marked(value: Any) -> Any:
        unsafe = isinstance(value, str) and FORMULA.match(value) and not _reads_as_number(value)
        return f"'{value}" if unsafe else value

    return _mapped(table, marked)


def as_written(table: "pd.DataFrame") -> "pd.DataFrame":
    """Text without the marks of :func:`harmless`."""

    def unmarked(value: Any) -> Any:
        is_marked = isinstance(value, str) and value[:1] == "'" and FORMULA.match(value)
        return value[1:] if is_marked else value

    return _mapped(table, unmarked)


def _mapped(table: "pd.DataFrame", change: Callable[[Any], Any]) -> "pd.DataFrame":
    """A function of text on all cells of text, and on names of columns."""
    text = [k for k, name in enumerate(table.columns) if not is_number(table.iloc[:, k])]
    out = table.copy(deep=False)
    for k in text:
        out.isetitem(k, table.iloc[:, k].map(change).array)
    out.columns = [change(name) for name in table.columns]
    return out


def _reads_as_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def is_number(column: "pd.Series") -> bool:
    """Whether a column holds numbers or truth values alone."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return is_numeric_dtype(column) or is_bool_dtype(column)
