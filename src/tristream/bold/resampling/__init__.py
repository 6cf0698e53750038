"""From raw images to a target grid in one interpolation."""
