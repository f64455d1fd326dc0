"""The networks that matching looks through."""
