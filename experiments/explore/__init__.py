"""The explorer: a page in the browser to play with a generator."""
