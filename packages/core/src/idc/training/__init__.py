"""Training of networks: preprocessing, CutMix, and the recipe."""
