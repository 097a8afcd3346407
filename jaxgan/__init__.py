"""jaxgan: a laboratory for generative adversarial networks in JAX.

Names load on first use, so ``import jaxgan`` alone is fast.
"""

import lazy_loader

__version__ = "0.3.0"

# The names, and for type checkers their types, are in __init__.pyi.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
