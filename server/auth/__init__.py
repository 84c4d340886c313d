"""Who is asking, and what they may use and see."""
