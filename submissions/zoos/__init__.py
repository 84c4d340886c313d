"""Zoos as the server knows them: the registry, jobs, uploads, allowed sources, tracks."""
