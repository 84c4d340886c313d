"""Mails waiting to be sent, and notifications on the pages."""
