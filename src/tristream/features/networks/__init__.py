"""Pretrained networks: found, loaded, read layer by layer, fed without a pause."""
