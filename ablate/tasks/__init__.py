"""The tasks that come with ablate.

classify/ detect/ segment/   each with `task` (imports no torch), `practice` (how it trains), `source` (its batches),
                             and its own network, metrics and panel
backbones, scene_network     what detection and segmentation share
"""
