"""Which submission of each entrant counts, who stands where, and the page that shows it."""
