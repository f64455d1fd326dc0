"""The stages that come with idc: each folder is an entry-point group."""
