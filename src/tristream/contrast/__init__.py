"""Contrasts between conditions by general linear models."""
