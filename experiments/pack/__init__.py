"""Packing of image folders ahead of training."""
