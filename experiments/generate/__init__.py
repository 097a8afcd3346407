"""Generate samples and more from a finished run or a pretrained generator."""
