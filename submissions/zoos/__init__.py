"""The server's zoos: registry, jobs, uploads, allowed sources, needs and offers of the extended track."""
