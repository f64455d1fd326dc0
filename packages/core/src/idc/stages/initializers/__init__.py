"""The codes a condensation starts from."""
