"""Where and how things are computed: device, memory, precision, compiled or not."""
