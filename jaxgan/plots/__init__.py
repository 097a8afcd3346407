"""Figures by matplotlib, grids and GIFs by Pillow, and parts of HTML pages."""
