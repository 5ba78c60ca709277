"""Recognising over HTTP: FastAPI in front, one recogniser behind. `mien serve` starts it; `create_app` makes it."""
