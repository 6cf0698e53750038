"""Tests from stored predictions: permutations, comparisons, groups, tables, recovery of a truth."""
