"""The points laboratory: GANs learn points in the plane."""
