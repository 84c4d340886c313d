"""Accounts, sessions, tokens, mailed links, teams; the export and deletion of an account."""
