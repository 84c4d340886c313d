"""What decides by scores: paired comparison, rank intervals, the Ladder, the Generic Holdout."""
