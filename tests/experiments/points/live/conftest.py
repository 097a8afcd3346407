import pytest

from experiments.points.live.session import Session
from jaxgan.data import points


@pytest.fixture
def session_of(config_of, data, tmp_path):
    """Makes the session of a small training."""

    def make(**given):
        config = config_of(**given)
        home = tmp_path / "runs" / "points"
        return Session(config, points.load(data), home, "live")

    return make


@pytest.fixture(scope="session")
def play():
    """Plays until the training pauses by itself, or has made so many updates and is paused."""

    def to_the_end(session, updates=None):
        if updates:
            session.pace("each update")
        session.play()
        session.run(
            lambda: None,
            lambda: not session.playing or session.training.step == updates,
        )
        session.pause()

    return to_the_end
