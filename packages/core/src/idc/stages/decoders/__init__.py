"""What is stored becomes training images."""
