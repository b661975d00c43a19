"""The mirror in MLflow. Nothing outside this package knows mlflow."""
