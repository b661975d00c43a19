"""The tasks that come with ablate.

classify/ detect/ segment/   each with `task` (imports no torch), `practice` (how it trains), `source` (its batches),
                             and its own network, metrics and panel
null                         draws a number, for `ablate selftest`
backbones, scene_network     what detection and segmentation share
"""
