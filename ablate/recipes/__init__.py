"""Recipes: the flat list of choices that, with a seed, decides a trial."""
