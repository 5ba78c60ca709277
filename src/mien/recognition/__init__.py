"""Faces and their expressions in pictures, without PyTorch."""

from mien.recognition.draw import annotate
from mien.recognition.recognizer import Recognizer

__all__ = ["Recognizer", "annotate"]
