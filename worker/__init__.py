"""The Celery app, the evaluator and the sandbox. Nothing outside a sandbox imports participant code."""
