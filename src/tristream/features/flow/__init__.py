"""Optical flow: fields of displacement by five methods, camera motion, and measures of both."""
