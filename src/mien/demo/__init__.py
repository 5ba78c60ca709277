"""A page to try mien in a browser: photo, webcam, recording, two models side by side, results. It needs the extra ``demo``."""

from mien.demo.server import serve

__all__ = ["serve"]
