import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.quick import SIMPLE_CODE

ROOT = Path(__file__).resolve().parents[1]

# Compiled programs outlive the run. All processes share them: the environment is inherited.
# Even the smallest is worth its file, for most of them are small: a second run takes a third.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "xla"))
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

# Compilation takes most of the tests' time. Programs without optimisation, and on a CPU the
# older of XLA's two emitters of code, take a third of it. Commands that tests start inherit
# both. `tests.quick` compiles commands and programs as users' are.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
jax.config.update("jax_disable_most_optimizations", True)
if jax.__version_info__ < (0, 11):  # XLA ends a process whose flags it does not know
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {SIMPLE_CODE}"
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")


def on_card(config):
    """Whether all tests that were asked for need a card."""
    return "gpu" in config.option.markexpr.split(" and ")


def pytest_configure(config):
    """Run on a CPU, but for ``-m gpu``, which takes a card beside it where there is one.

    Several workers share the card, so none may take most of its memory ahead.
    """
    if on_card(config):
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        config.option.reportchars += "s"  # a skipped test says why
    free = on_card(config) or jax.config.jax_platforms
    jax.config.update("jax_platforms", None if free else "cpu")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """Four workers for a card; otherwise as many as pytest-xdist takes by itself."""
    return 4 if on_card(config) else None


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request):
    """A CPU; with ``-m gpu`` the card.

    Tests that take it run their bodies on a CPU too, so that they are in order when a card
    is at hand.
    """
    if request.param == "cpu":
        return jax.devices("cpu")[0]
    if jax.default_backend() != "gpu":
        pytest.skip("needs a CUDA GPU, jax[cuda12] or jax[cuda13], and pytest -m gpu")
    return jax.devices()[0]


@pytest.fixture
def as_on_card(monkeypatch):
    """Takes the forms of code for an accelerator, or for a CPU, whatever JAX runs on.

    JAX remembers what functions with derivatives of their own were traced to; what is called
    here is traced anew.
    """

    def call(function, *args, card=True):
        with monkeypatch.context() as patch:
            patch.setattr(jax, "default_backend", lambda: "gpu" if card else "cpu")
            jax.clear_caches()
            try:
                return function(*args)
            finally:
                jax.clear_caches()

    return call


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(params=["eager", "jit"])
def maybe_jit(request):
    return jax.jit if request.param == "jit" else lambda function: function


@pytest.fixture(scope="session")
def shared():
    """Finds a file beside the project, in ``../shared``; skips the test if it is missing."""

    def find(path):
        file = ROOT.parent / "shared" / path
        if not file.exists():
            pytest.skip(f"needs {file}, which is not part of the project")
        return file

    return find


@pytest.fixture(scope="session")
def golden(shared):
    """Finds a checkpoint by its name; loads what the reference implementation made of it."""

    def load(name):
        with np.load(shared(f"golden/{name}.npz")) as arrays:
            (checkpoint,) = shared("golden").glob(f"{name}.p*")
            return checkpoint, dict(arrays)

    return load


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Call whatever drives a browser slow: it starts a dozen processes."""
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


# In a browser. Nothing of it is downloaded: Debian's package `chromium` and PyPI's
# `playwright`, which drives it.


@pytest.fixture(scope="module")
def browser():
    reason = "needs PyPI's playwright, to drive a browser"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs a browser: Debian's package chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path)
        yield chromium
        chromium.close()


@pytest.fixture
def new_tab(browser):
    """Makes a tab for a page; fails at the end if one asked elsewhere or complained."""
    contexts, asked, complaints, homes = [], [], [], []

    def make(home, width=1280, **settings):
        context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
        contexts.append(context)
        homes.append(home)
        context.set_default_timeout(10_000)
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        return tab

    yield make
    for context in contexts:
        context.close()
    assert complaints == []
    asked = [url for url in asked if not url.startswith("data:")]
    assert set(homes) <= {url.removesuffix("/") for url in asked}
    own = tuple(f"{home}/" for home in homes)
    assert [url for url in asked if url not in homes and not url.startswith(own)] == []
