"""Pages of a submission: submitting, watching, the result, the code, comparing, moderating."""
