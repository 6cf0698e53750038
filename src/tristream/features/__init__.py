"""Descriptions of films, sounds, images and labels: spaces, their machinery, fused spaces."""
