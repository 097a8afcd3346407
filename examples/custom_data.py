"""A GAN on images of your own: an array, or a folder, tar or zip of image files.

`python examples/custom_data.py FOLDER` trains on the images of FOLDER, cut to squares of 32
pixels. Without it, the images are an array of black discs of random size and place.
"""

import sys
from pathlib import Path

import jax
import numpy as np

import jaxgan
from jaxgan.data import image_folder, pixels
from jaxgan.networks import dcgan
from jaxgan.plots import raster

SIZE = 32


def discs(count, rng):
    """Draw images `[count, SIZE, SIZE, 1]`, uint8: 0 is black, 255 white."""
    y, x = np.mgrid[:SIZE, :SIZE]
    (left, top), radius = rng.uniform(9, 23, (2, count, 1, 1)), rng.uniform(4, 9, (count, 1, 1))
    inside = (x - left) ** 2 + (y - top) ** 2 < radius**2
    return np.where(inside, 0, 255).astype(np.uint8)[..., None]


jaxgan.setup()
rng = np.random.default_rng(0)
images = image_folder.pack(sys.argv[1], SIZE).images if sys.argv[1:] else discs(1024, rng)
networks = dcgan.Generator(SIZE, 8, channels=images.shape[3]), dcgan.Critic(SIZE, 8)
gan = jaxgan.gan(
    *networks, jaxgan.objective("gan"), jaxgan.pair("adam", 1e-3), latent_dim=16, ema=0.99
)
states = jaxgan.fit(gan, images, epochs=15, batch_size=32, every=5).states
samples = jaxgan.draw(gan, jaxgan.averaged(states), jax.random.key(0), 32)[0]
raster.image_grid(Path("custom_data.png"), pixels.to_uint8(samples), columns=8)
print(f"trained on {len(images)} images; custom_data.png shows {len(samples)} generated ones")
