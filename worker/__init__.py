"""The Celery worker, the evaluator and the sandbox. No process outside a sandbox imports participants' code."""
