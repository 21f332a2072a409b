"""What MLflow is told before it is imported, and how its server is started."""

import os
import sys

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_TRUNCATE_LONG_VALUES": "false",
}
"""Set before mlflow is imported, unless the user has set them: nothing phones home, nothing chatters, nothing hangs.

And no long value is cut short in silence.
"""


def set_environment() -> None:
    """Set the variables of QUIET that the user has not set."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def server_command(uri: str, *, port: int) -> list[str]:
    """Return the command that serves the MLflow UI on loopback in as few processes as MLflow can do with."""
    set_environment()
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    return [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, *address]
