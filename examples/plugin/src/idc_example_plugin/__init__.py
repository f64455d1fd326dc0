"""A third-party plugin for idc."""
