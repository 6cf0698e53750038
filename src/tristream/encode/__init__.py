"""Voxelwise models of BOLD from features: solvers, estimators, fits, partitions of variance."""
