"""The condensed dataset: codes, file, pictures, import and export."""
