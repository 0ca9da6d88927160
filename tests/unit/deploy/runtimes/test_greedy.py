import numpy as np
import pytest
from scipy.special import log_softmax as scipy_log_softmax

from deft_sweeps.deploy.runtimes.greedy import GreedyReading, log_softmax

END_ID = 1


def test_log_softmax_is_scipys() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32) * 50
    np.testing.assert_allclose(log_softmax(logits), scipy_log_softmax(logits.astype(float), -1))


def test_a_text_ends_at_its_end_token_or_is_cut() -> None:
    steps = np.full((3, 3, 5), -2.0, np.float32)
    for step, tokens in enumerate(((2, END_ID, 3), (END_ID, 4, 3), (4, 4, 2))):
        for row, token in enumerate(tokens):
            steps[step, row, token] = 3.0 + row
    reading = GreedyReading(END_ID)
    for logits in steps:
        assert not reading.all_ended
        reading.take(logits)
    texts = reading.texts()
    assert [text.token_ids for text in texts] == [(2,), (), (3, 3, 2)]
    logs = scipy_log_softmax(steps.astype(float), -1)
    best = logs.max(-1)
    assert texts[0].mean_log_probability == pytest.approx(best[:2, 0].mean())
    assert texts[1].mean_log_probability == pytest.approx(best[0, 1])
    assert texts[2].mean_log_probability == pytest.approx(best[:, 2].mean())
    assert texts[0].empty_log_probability == pytest.approx(logs[0, 0, END_ID])


def test_all_ended_needs_every_text() -> None:
    reading = GreedyReading(END_ID)
    reading.take(np.eye(3, dtype=np.float32)[[END_ID, 2]])
    assert not reading.all_ended
    reading.take(np.eye(3, dtype=np.float32)[[2, END_ID]])
    assert [text.token_ids for text in reading.texts()] == [(), (2,)]
    assert GreedyReading(END_ID).texts() == []
