"""What the image laboratories share."""
