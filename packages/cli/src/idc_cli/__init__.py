"""The idc command."""
