"""What is printed: text, tables and progress."""
