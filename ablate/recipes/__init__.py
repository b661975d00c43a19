"""Recipes: the fields that, with a seed, determine a trial.

classify   recipes of image classification, from groups of fields
scenes     recipes of detection and segmentation
shapes     channels and blocks of our own networks, as data
identity   which fields apply, and which enter a trial's key
"""
