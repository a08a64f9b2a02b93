"""Runs the application on a Postgres and an S3 of its own: `make app` in the folder above.

Everything is on 127.0.0.1 and in a temporary folder, and gone when it ends (Ctrl-C). It needs
requirements-dev.txt, or requirements.txt with requirements-test.txt.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "src")]

from tests import services  # noqa: E402


def main() -> int:
    """Start all, print the address, and stop all at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: free)")
    port = parser.parse_args().port or services.free_port()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with services.running("dev") as running:
        environ = {
            **os.environ,
            **running.environ,
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(HERE / "src"), os.environ.get("PYTHONPATH")])
            ),
        }
        subprocess.run([sys.executable, "-m", "slipway_app.migrate"], env=environ, check=True)
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"],
            cwd=HERE,
            env=environ,
            # Ctrl-C comes to us alone; the server must end before its database does.
            start_new_session=True,
        )
        try:
            services.wait_until_listening(port, server)
            sys.stdout.write(
                f"The application answers on http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
            )
            sys.stdout.flush()
            while not stop.wait(0.5):
                if server.poll() is not None:
                    return server.returncode
        finally:
            server.terminate()
            server.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
