"""TransNetV2, a spatio-temporal network that finds shot transitions."""
