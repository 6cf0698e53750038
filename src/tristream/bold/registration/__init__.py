"""Head motion and registration of raw images, by ANTs."""
