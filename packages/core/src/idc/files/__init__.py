"""Files that are whole or not there, and safetensors files with a checked header."""
