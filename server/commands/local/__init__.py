"""Commands that need no server: evaluate, score, baselines."""
