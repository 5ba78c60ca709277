"""Scores from arrays: metrics, intervals, comparisons, reports. It knows networks only as functions."""
