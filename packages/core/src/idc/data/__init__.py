"""Real images: found, chosen, read once, kept, and handed out as a split."""
