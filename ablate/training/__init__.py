"""Training: data on the device, augmentation, optimiser, loop and tasks; a trial is a function of (recipe, seed)."""
