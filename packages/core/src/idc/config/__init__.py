"""The pipeline file: reading, laying over each other, changing, comparing."""
