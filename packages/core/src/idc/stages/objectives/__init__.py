"""Distances between real and synthetic batches."""
