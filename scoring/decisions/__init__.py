"""Decisions based on scores: paired comparison, rank intervals, the Ladder, the Generic Holdout."""
