"""What every answer passes through: headers, ETags, rates, public addresses, problem details."""
