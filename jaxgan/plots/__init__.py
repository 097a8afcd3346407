"""Pictures: figures by matplotlib, grids and GIFs by Pillow, parts of HTML pages."""
