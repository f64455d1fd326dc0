"""Computing: load the data, condense, score, estimate."""
