"""Code that the image laboratories share."""
