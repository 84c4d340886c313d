"""From an accepted submission to its scores: the queue, attempts, outcomes, progress."""
