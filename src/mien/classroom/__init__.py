"""The live class: a monitor for an online lesson that shows signals, never a diagnosis. docs/classroom.md has the why."""
