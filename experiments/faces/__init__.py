"""The faces laboratory: DCGAN as a GAN and as a WGAN-GP."""
