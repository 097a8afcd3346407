"""Claims about images."""
