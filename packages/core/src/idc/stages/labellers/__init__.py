"""Labellers of the finished synthetic images."""
