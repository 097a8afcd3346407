"""Pack folders of images before training."""
