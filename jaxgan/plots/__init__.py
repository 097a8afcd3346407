"""Figures with matplotlib, grids of images and GIFs with Pillow, videos, HTML pages."""
