"""The FReLU paper as data.

presets    its two recipes: `paper-text` and `released-code`
published  its printed numbers, by table
"""
