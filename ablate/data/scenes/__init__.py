"""Miniature data sets for detection and segmentation, composed here from the garments of Fashion-MNIST.

They are written in the formats of COCO and Cityscapes, so that the same reader reads the miniature and the real set.
Every number that is drawn or computed for a pixel is an integer, so a scene depends only on its seed and not on the
processor. This package imports no torch.
"""
