"""Registered folders: folders of images that a user adds as data sets with `ablate data add`."""
