"""MLflow's server as its documentation starts it, with its data in a folder of its own."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    port, folder = sys.argv[1:]
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    program = str(Path(sys.executable).with_name("mlflow"))
    stored = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.sqlite3", "--artifacts-destination", f"{folder}/files"]
    quiet = ["--uvicorn-opts", "--log-level warning"]
    os.chdir(folder)
    os.execv(program, [program, "server", "--host", "127.0.0.1", "--port", port, *stored, *quiet])
