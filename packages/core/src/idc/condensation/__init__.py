"""The loop that condenses, and what it resumes from."""
