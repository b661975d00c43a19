"""Plots of a table: differences, seeds, curves, effects, specifications, panels of images."""

import logging

# that it builds its list of fonts once, or draws in another one, is not for the user's terminal
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
