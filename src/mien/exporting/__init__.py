"""A trained network becomes a file that others can run."""
