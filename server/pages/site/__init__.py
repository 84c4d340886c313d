"""Pages of the site itself: home, help, health, errors, static files."""
