"""The live page of the points laboratory: watch and steer a GAN while it trains."""
