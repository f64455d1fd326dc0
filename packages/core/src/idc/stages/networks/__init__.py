"""The networks being matched."""
