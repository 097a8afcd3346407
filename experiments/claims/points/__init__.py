"""Claims about points."""
