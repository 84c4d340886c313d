"""The domain: accounts, competitions, submissions, evaluation, leaderboards. The only room that writes the database."""
