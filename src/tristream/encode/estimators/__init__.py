"""Ridge, banded ridge and stacking with the scikit-learn surface."""

from tristream.encode.estimators.grid_edges import GridEdgeWarning
from tristream.encode.estimators.ridge_cv import BandedRidgeCV, RidgeCV
from tristream.encode.estimators.stacked import StackedRidgeCV
from tristream.encode.solvers.banded_ridge import ExactSearchWarning

__all__ = ["BandedRidgeCV", "ExactSearchWarning", "GridEdgeWarning", "RidgeCV", "StackedRidgeCV"]
