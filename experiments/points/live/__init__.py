"""The live page of the points laboratory: a GAN trains while a person plays with it."""
