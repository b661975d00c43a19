"""`ablate serve`. Importing this module adds it to the console script."""

from __future__ import annotations

from typing import Annotated

import typer

from ablate.cli.app import app


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; loopback only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8080,
    role: Annotated[str, typer.Option(help="all, api or scheduler; separate roles need PostgreSQL.")] = "all",
) -> None:
    """Run the service until Ctrl-C: REST, queue, workers, MLflow."""
    from service.serve import ServeError, serve, set_up_logging
    from service.settings import read_settings

    if role not in ("all", "api", "scheduler"):
        raise ServeError(f"no role '{role}'; allowed: all, api, scheduler")
    set_up_logging()
    settings = read_settings()

    def announce(url: str) -> None:
        typer.echo(
            f"ablate serves {url}/ (REST: {url}/api/v1, MLflow: {url}/mlflow/); state in {settings.home}", err=True
        )

    raise typer.Exit(serve(settings, host=host, port=port, role=role, announce=announce))  # type: ignore[arg-type]
