"""Training: a GAN as pure functions, epochs as scans, lanes, devices."""
