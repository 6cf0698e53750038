"""BOLD from fMRIPrep's minimal outputs: raw images resampled once through all transforms.

``fmriprep --level minimal`` keeps what it estimated and not what it would resample: head motion,
coregistration, normalisation and, where there is one, the distortion field. From a voxel of the
target grid the chain leads to the template's T1w point, to the run's reference volume and to the
raw image at each volume, and there the raw image is interpolated by cubic splines, once.
"""
