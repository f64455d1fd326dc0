"""Datasets to condense."""
