"""The API under /api/v1: JSON for scripts, described by an OpenAPI document that is made from these routes."""

from server.api import competitions, phases, teams, tokens, uploads, zoos

PARTS = (competitions, teams, tokens, phases, zoos, uploads)
