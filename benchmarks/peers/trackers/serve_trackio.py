"""Trackio's server as its documentation starts it, with its data in a folder of its own, and synchronous FULL."""

import os
import sys

if __name__ == "__main__":
    port, folder, token = sys.argv[1:]
    os.environ |= {"TRACKIO_DIR": folder, "TRACKIO_WRITE_TOKEN": token, "TRACKIO_SQLITE_SYNCHRONOUS": "FULL"}
    import trackio  # type: ignore[import-not-found]  # installed in another environment; it reads os.environ here

    print(f"listening on http://127.0.0.1:{port}", flush=True)
    trackio.show(server_port=int(port), open_browser=False, block_thread=True)
