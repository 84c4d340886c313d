"""Training several networks of one shape together, their weights stacked along a leading dimension. Needs torch."""
