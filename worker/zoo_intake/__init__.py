"""Adding zoos: archives, S3 folders, imports and recipes; jobs in separate processes; the check."""
