"""The step on the codes."""
