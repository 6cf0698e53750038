"""Solvers on numpy and torch alone: kernels of delayed features, banded kernel ridge."""
