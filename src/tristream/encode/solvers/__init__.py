"""Solvers on numpy and torch alone; `banded_ridge.fit` is the entry of the dual form."""
