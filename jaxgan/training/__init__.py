"""Training: GANs as pure functions, objectives, optimizers, epochs, lanes, devices."""
