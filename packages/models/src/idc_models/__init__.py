"""Networks for idc: the condensation literature's ConvNet."""
