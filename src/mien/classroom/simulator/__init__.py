"""Students whose states are written in a script: what they would send, without anybody in front of a camera.

`scenario` reads or makes the script, `students` gives each student's observations, `pictures` JPEG frames for a whole
server; `playback` runs a script through the signals at once, and `scoring` says how well the states were found.
It validates arithmetic: the faces do what the script says. Whether real faces mean anything is another question.
"""

from mien.classroom.simulator.pictures import DrawScene, FramePainter, recorded_frames
from mien.classroom.simulator.playback import Played, play
from mien.classroom.simulator.scenario import Scenario, Stretch, load_scenario, random_lesson
from mien.classroom.simulator.scoring import MomentScore, StateScore, score_moments, score_states
from mien.classroom.simulator.students import SimulatedFrame, simulated_frames

__all__ = [
    "DrawScene",
    "FramePainter",
    "MomentScore",
    "Played",
    "Scenario",
    "SimulatedFrame",
    "StateScore",
    "Stretch",
    "load_scenario",
    "play",
    "random_lesson",
    "recorded_frames",
    "score_moments",
    "score_states",
    "simulated_frames",
]
