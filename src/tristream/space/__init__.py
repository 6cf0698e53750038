"""Where voxels lie: grayordinates of surfaces, regions of an atlas."""
