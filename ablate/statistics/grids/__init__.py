"""What matters in a grid of factors."""
