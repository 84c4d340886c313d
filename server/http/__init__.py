"""What every response passes through: headers, ETags, rate limits, public addresses."""
