"""Atomic writing, and safetensors files with a checked header."""
