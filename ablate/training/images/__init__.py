"""Images for training: loading, decoding and augmentation."""
