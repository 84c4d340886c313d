"""The API for a person: account, notifications, teams, tokens."""
