"""Windows and lessons by hand: a face whose features are numbers that one can check."""

import dataclasses

import pytest

from mien.classroom.signals import EXPRESSIONS, Observation, load_mapping


@pytest.fixture(scope="session")
def mapping():
    return load_mapping()


@pytest.fixture(scope="session")
def quick_mapping(mapping):
    """Learns in 20 s, admits every 10 s, holds back 10 s: everything else as it ships."""
    return dataclasses.replace(
        mapping,
        id="quick-1",
        baseline=dataclasses.replace(mapping.baseline, learn_s=20.0),
        aggregate=dataclasses.replace(mapping.aggregate, delay_s=10.0, admit_every_s=10.0),
        moments=dataclasses.replace(mapping.moments, min_history_s=60.0),
    )


@pytest.fixture(scope="session")
def face():
    """Make an observation of one good face from its expressions; what is left over is neutral."""

    def make(time_s, yaw_deg=0.0, **probs):
        probs = {"neutral": 1 - sum(probs.values()), **probs}
        return Observation(
            time_s=time_s,
            faces=1,
            score=0.9,
            face_px=80,
            brightness=100.0,
            sharpness=500.0,
            probs=tuple(probs.get(name, 0.0) for name in EXPRESSIONS),
            yaw_deg=yaw_deg,
        )

    return make
