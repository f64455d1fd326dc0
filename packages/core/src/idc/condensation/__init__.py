"""The condensation loop and its checkpoints."""
