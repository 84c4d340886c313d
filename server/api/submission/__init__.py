"""The API for submissions: submitting, watching, results, moderation."""
