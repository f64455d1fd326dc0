"""Optimizers of the codes."""
