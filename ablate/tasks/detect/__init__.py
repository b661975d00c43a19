"""Object detection: RetinaNet on a backbone of ours."""
