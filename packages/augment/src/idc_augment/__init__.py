"""Differentiable augmentation for idc: DiffAug and DSA, and anything from kornia."""
