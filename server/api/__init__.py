"""The API under /api/v1: JSON for scripts, described by an OpenAPI document that is generated from these routes."""
