"""Pages of a person: account, log-in, mailed links, sessions, tokens, teams, their submissions."""
