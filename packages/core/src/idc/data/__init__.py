"""Real images: listing, selecting, reading, caching, and the resulting splits."""
