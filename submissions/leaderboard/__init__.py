"""The leaderboard: which submission of each entrant counts, ranks, rank intervals, and the page of rows."""
