"""Measures of a fit.

``fid``, ``kid`` and ``prdc`` take images. The modules hold the measures of features and
points, most of them functions of numpy arrays. All of them load on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
