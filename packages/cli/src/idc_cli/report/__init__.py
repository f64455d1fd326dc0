"""Pages in HTML, and what they are made of."""
