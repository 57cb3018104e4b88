"""Runs `kasparro serve` or `kasparro demo` until it is ready and then ends it as Ctrl-C does; ends with its exit code."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SECONDS = 80.0


def main(arguments: list[str]) -> int:
    """Run the command with a port and, where it has no database named, a data folder of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="kasparro-docs-", ignore_cleanup_errors=True) as folder:
        own = {"KASPARRO_PORT": str(port), "KASPARRO_DATA_DIR": folder}
        process = subprocess.Popen([sys.executable, "-m", "kasparro", *arguments], env=os.environ | own)
        try:
            deadline = time.monotonic() + SECONDS
            while not _is_ready(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    print("it was not ready in time", file=sys.stderr)  # noqa: T201  # for who reads the failure
                    return 1
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            return process.wait(timeout=20)
        finally:
            process.kill()
            process.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
