"""Ridge, banded ridge and stacking with the scikit-learn surface."""

from tristream.encode.estimators.cross_validated import GridEdgeWarning
from tristream.encode.estimators.ridge_cv import BandedRidgeCV, RidgeCV
from tristream.encode.estimators.stacked import StackedRidgeCV

__all__ = ["BandedRidgeCV", "GridEdgeWarning", "RidgeCV", "StackedRidgeCV"]
