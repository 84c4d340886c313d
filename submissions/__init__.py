"""The domain: records, lifecycle, bundles, quota, leaderboard. The only room that writes the database."""
