"""Metrics of generated examples, confidence intervals over seeds, and tests of claims.

``fid``, ``kid`` and ``prdc`` compare two sets of images. The modules hold metrics of features
and of points; most of them take and return numpy arrays. Everything loads on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
