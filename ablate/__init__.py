"""Ablation studies: a study file in, a result table fit for a paper out."""

__version__ = "0.1.0"
