"""Artifacts, read from wherever they lie."""

import tempfile
from pathlib import Path

from student_score.tracking.address import local_folder


def read_artifact(address: str, uri: str) -> bytes:
    """Return the content of an artifact; what a remote store sends passes through a folder that goes away again."""
    local = local_folder(address)
    if local is not None:
        return local.read_bytes()
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory() as folder:
        return Path(download_artifacts(artifact_uri=address, tracking_uri=uri, dst_path=folder)).read_bytes()
