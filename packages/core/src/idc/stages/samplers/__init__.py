"""Which images an inner step sees."""
