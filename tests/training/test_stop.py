import os
import signal

import pytest

from mien.training.stop import SignalStop, StopRequested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_check(number):
    with SignalStop() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        with pytest.raises(StopRequested):
            stop.check()


def test_a_second_signal_does_not_wait():
    with SignalStop():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_afterwards_signals_do_what_they_did_before():
    before = signal.getsignal(signal.SIGTERM)
    with SignalStop():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
