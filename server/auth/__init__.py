"""Authentication and access: who sends a request, and what they may use and see."""
