#!/usr/bin/env python3
"""Boots one real awaithumans server as the recordings' server A, with the stand-in for a language model (stubs/), on a free port of
loopback: `aw_boot.py FOLDER`. Its database is made below FOLDER. Prints one line, its URL; ends with the server, which ends with it.

The environment holds awaithumans' own variables; AWAITHUMANS_PUBLIC_URL is made here, with the port in it.
"""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent


def main():
    folder = pathlib.Path(sys.argv[1])
    port = free_port()
    url = f"http://localhost:{port}"
    environment = os.environ | {
        "AWAITHUMANS_PUBLIC_URL": url,
        "HOME": str(folder),
        "ANTHROPIC_API_KEY": "stub",
        "PYTHONPATH": str(HERE / "stubs"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # The database is always .awaithumans/dev.db below the working directory.
    server = subprocess.Popen(
        [pathlib.Path(sys.executable).parent / "awaithumans", "dev", "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder,
        env=environment,
        stdout=sys.stderr,
    )
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    while not is_healthy(port):
        if server.poll() is not None:
            sys.exit(f"the real server ended with {server.returncode} before it was up")
        time.sleep(0.1)
    print(f"http://127.0.0.1:{port}", flush=True)
    sys.exit(server.wait())


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


if __name__ == "__main__":
    main()
