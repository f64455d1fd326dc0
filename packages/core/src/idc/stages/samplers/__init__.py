"""Samplers of the images of an inner step."""
