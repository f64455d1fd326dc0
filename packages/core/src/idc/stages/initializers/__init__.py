"""Initializers of the codes."""
