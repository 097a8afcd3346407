"""The points laboratory: GANs of points in the plane."""
