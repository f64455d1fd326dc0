"""Decoders from stored codes to training images."""
