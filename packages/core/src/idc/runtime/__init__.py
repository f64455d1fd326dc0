"""Where and how a run computes: device, memory, precision, compilation."""
