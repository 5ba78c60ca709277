"""One run: a recipe and a data set become a network, in a folder that says how."""
