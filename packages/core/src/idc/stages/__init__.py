"""The stages included in idc; each folder is an entry-point group."""
