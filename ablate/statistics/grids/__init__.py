"""The effects in a grid of factors."""
