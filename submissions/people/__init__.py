"""Accounts, sessions, API tokens, links in mails, teams; the export and deletion of an account."""
