"""Trains several networks of one shape together, with their weights stacked along a leading dimension. Needs torch."""
