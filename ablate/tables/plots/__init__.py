"""Pictures of a table: differences, seeds, curves, effects, panels of images."""
