"""FID, KID, precision and recall beside torch-fidelity's and clean-fid's.

``fid_tools`` draws the images, runs the tools, and has written ``tests/data/fid_tools.json``.
"""

import json

import pytest

from jaxgan import metrics
from jaxgan.convert import zoo
from jaxgan.errors import InputError
from jaxgan.metrics import images
from tests.metrics import fid_tools
from tests.quick import optimised

STORED = json.loads(fid_tools.FILE.read_text())


@pytest.fixture(scope="module")
def weights():
    """Path of the weights of Inception-v3; they are downloaded once, 77 MiB."""
    try:
        return zoo.inception(print)
    except InputError as error:
        pytest.skip(f"needs the weights of Inception-v3: {error}")


def compare(kind, convention, theirs, weights):
    pair = fid_tools.pair(kind)
    with optimised():
        extract = images.inception_features(weights, convention)
        known = {x.tobytes(): extract(x) for x in pair}  # once for all measures

    def features(x):
        return known[x.tobytes()]

    # The tools take roots of rounding, some 2,000 eigenvalues that should be 0: 1e-4.
    assert metrics.fid(*pair, features=features) == pytest.approx(theirs["fid"], abs=1e-3)
    kid = metrics.kid(*pair, subsets=1, features=features).mean
    assert kid == pytest.approx(theirs["kid"], abs=1e-5)  # theirs is of float32
    if "precision" in theirs:
        value = metrics.prdc(*pair, k=3, features=features)
        assert (value.precision, value.recall) == (theirs["precision"], theirs["recall"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", fid_tools.KINDS)  # the network is built per convention
@pytest.mark.parametrize("convention", fid_tools.TOOLS)
def test_numbers_are_those_that_the_tools_gave(kind, convention, weights):
    compare(kind, convention, STORED[convention][kind], weights)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what the tools call
@pytest.mark.parametrize(("convention", "tool"), fid_tools.TOOLS.items())
def test_numbers_are_those_that_the_tools_give(convention, tool, weights):
    pytest.importorskip("torch", reason="needs torch as an oracle")
    try:
        fid_tools.import_tools()
    except ImportError as error:
        pytest.skip(f"needs torch-fidelity 0.4.0 and clean-fid 0.1.35: {error}")
    compare("64", convention, tool(*fid_tools.pair("64"), weights), weights)


def test_the_conventions_differ_by_more_than_the_agreement():
    for kind in ("grey_28", "32", "64", "512"):
        first, second = (STORED[name][kind]["fid"] for name in fid_tools.TOOLS)
        assert abs(first - second) > 1
    first, second = (STORED[name]["299"]["fid"] for name in fid_tools.TOOLS)
    assert first == pytest.approx(second, abs=1e-3)  # no resizing
