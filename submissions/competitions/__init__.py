"""Competitions, their phases and the zoos of each, announcements, the starting kit."""
