"""Pages of a competition: its own, the leaderboard and its downloads, the starting kit."""
