"""Files that pages and the API both send: exports, starting kits, the public part of a zoo."""
