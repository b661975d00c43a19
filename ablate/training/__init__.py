"""Training: one loop for all tasks. What a task adds is its `Practice`.

practice, loop             what a task provides; the loop
optim, determinism         optimiser and schedule; random streams and the order of the images
checkpoint                 saved and resumed training
images/                    images in memory, decoded while training, augmented
ranks, rank_processes, rank_main, whole_batch  several GPUs
measure                    inference time and memory; how often a funnel's condition wins
"""
