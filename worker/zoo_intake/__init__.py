"""How zoos arrive: archives, S3 folders, imports and recipes; jobs in processes of their own; the check."""
