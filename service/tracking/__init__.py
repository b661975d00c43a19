"""The mirror in MLflow. Only this package knows mlflow.

mirror_thread   reads the outbox; `mirror_process` does what it asks
run_content     tags, params and metrics of a run, pure
mlflow_writer   runs created and written, idempotently
mlflow_file     the embedded store
ui              MLflow's own UI as a child process
"""
