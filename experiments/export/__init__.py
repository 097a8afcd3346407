"""Export a trained generator for other tools."""
