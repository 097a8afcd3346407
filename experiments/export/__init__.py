"""Export: a trained generator for other people's tools."""
