"""Semantic segmentation: PSPNet on a backbone of ours."""
