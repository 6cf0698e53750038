"""Datasets, stimuli and weights from where they are: DataLad, the package index, hubs, folders."""
