"""BOLD from raw images alone: the plain road, for datasets of which nobody has derivatives.

ANTs (antspyx) estimates head motion to a reference volume of each run, that volume's place in the
T1w, and the T1w's in nilearn's MNI template. The transforms are then applied as on the road of
fMRIPrep's minimal outputs, in one interpolation. Nothing is corrected for distortion or slice
timing, and no surface is made: fMRIPrep does this work better, and the report says so.
"""
