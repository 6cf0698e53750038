"""What all feature spaces share: registry, extraction, chunks, frames."""
