"""Training: images, augmentation, optimiser, loop and ranks. A trial is a function of (recipe, seed)."""
