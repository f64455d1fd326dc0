"""How a network is trained: preprocessing, CutMix, and the recipe."""
