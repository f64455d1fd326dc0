"""Real data to condense."""
