"""Files that pages and the API send alike: exports, starting kits, the public part of a zoo."""
