"""Networks that look at pictures: oracles of faces, classifiers, a reader of cartoon factors.

``jaxgan.sefa.scoring`` uses the oracles, ``experiments/fashion_mnist`` the classifier of
garments, and ``experiments/claims`` the reader of cartoons.
"""
