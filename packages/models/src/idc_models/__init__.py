"""Networks for idc: those of the condensation literature, and torchvision's."""
