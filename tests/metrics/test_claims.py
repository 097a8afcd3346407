import numpy as np

from jaxgan.metrics import claims
from jaxgan.runs.records import Record


def test_the_middle_run_is_one_that_did_not_diverge():
    def run(diverged):
        return Record({"diverged_at": np.array(diverged)}, {})

    runs = [run(0), run(3), run(0), run(0)]
    assert claims.middle(runs, np.array([5.0, 1.0, 4.0, 6.0])) is runs[0]
    assert claims.middle(runs[:2], np.array([5.0, 1.0])) is runs[0]
    assert claims.middle([run(1)], np.array([np.inf])).arrays["diverged_at"] == 1
