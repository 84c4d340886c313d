"""The API for competitions: phases, kits, leaderboards."""
