"""BOLD of one run as time x voxel: read, resampled, cleaned, and its quality."""
