"""Objectives: distances between real and synthetic batches."""
