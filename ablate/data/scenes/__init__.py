"""Miniature data sets for detection and segmentation, composed here from the garments of Fashion-MNIST.

They are written in the formats of COCO and Cityscapes, so that one reader each serves the miniature and the real set.
Every number that is drawn or computed on the way to a pixel is an integer, so a scene depends on its seed alone and not
on the processor. This package imports no torch.
"""
