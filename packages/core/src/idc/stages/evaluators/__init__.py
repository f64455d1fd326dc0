"""Evaluators of synsets."""
