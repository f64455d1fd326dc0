"""The pipeline file: reading, extending, overriding, comparing."""
