"""More from a finished run, or from a pretrained generator."""
