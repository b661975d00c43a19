"""`ablate serve`. Importing this module adds the command to the console script."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from ablate.cli.app import app
from ablate.cli.output import say


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; only loopback addresses are allowed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 chooses a free port.")] = 8080,
    role: Annotated[
        Literal["all", "api", "scheduler"],
        typer.Option(help="Part of the service to run; 'api' and 'scheduler' alone need PostgreSQL."),
    ] = "all",
) -> None:
    """Run the service until Ctrl-C.

    The service has the web page, REST, the queue, the workers and MLflow.
    """
    os.umask(0o077)  # of the children, too: what is in the state directory is for this user alone
    from service.serve import serve, set_up_logging
    from service.settings import read_settings

    set_up_logging()
    settings = read_settings()

    def announce(url: str) -> None:
        mlflow = "" if settings.tracking_uri == "off" else f", MLflow: {url}/mlflow/"
        say(f"ablate serves {url}/ (REST: {url}/api/v1{mlflow}); state in {settings.home}", err=True)

    raise typer.Exit(serve(settings, host=host, port=port, role=role, announce=announce))
