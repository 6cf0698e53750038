"""Networks of `transformers`, for images, video and sound."""
