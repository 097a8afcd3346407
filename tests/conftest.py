import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

# Compiled programs outlive the run. All processes share them: the environment is inherited.
# Even the smallest is worth its file, for most of them are small: a second run takes a third.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "xla"))
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_platforms", "cpu" if not jax.config.jax_platforms else None)


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
