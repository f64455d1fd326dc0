"""The condensed dataset: codes, file, pictures, and exchange with other programs."""
