"""Runs moto's server for one instance: ``python -m local.motoserver``, started by ``up`` and stopped by ``down``.

moto keeps its state in memory only. It is made to survive a restart by moto's own recorder: every request is
written to a file, and a start replays the file with the same random seed, which gives the same identifiers.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

SEED = 4566
"""The fixed seed of moto's identifiers; a replay from the same seed gives the same ones."""


def _replay(recording: Path, client) -> int:
    """Sends the recorded requests to the application again, in order; returns how many there were.

    A crash can leave a half-written last line; it stands for a request that nobody got an answer to.
    """
    import base64

    from moto.moto_api._internal import mock_random

    mock_random.seed(SEED)
    count = 0
    if not recording.exists():
        return count
    for line in recording.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            break
        body = entry.get("body") or ""
        data = base64.b64decode(body) if entry.get("body_encoded") else body
        client.open(entry["url"], method=entry["method"], headers=entry["headers"], data=data)
        count += 1
    return count


def _merge_features() -> None:
    """Lets UpdateDetector change the features that it names and keep the others, as GuardDuty does; moto forgets them."""
    from moto.guardduty.models import Detector

    original = Detector.update

    def update(self, enable, frequency, data_sources, features):
        if features is not None:
            changed = {feature["name"]: feature for feature in features}
            kept = [changed.pop(old["name"], old) for old in self.features]
            features = kept + list(changed.values())
        original(self, enable, frequency, data_sources, features)

    Detector.update = update


def main() -> None:
    """Reads its settings from the environment that ``up`` gives it and serves until SIGTERM."""
    port = int(os.environ["SLIPWAY_MOTO_PORT"])
    recording = Path(os.environ["SLIPWAY_MOTO_RECORDING"])
    os.environ["MOTO_RECORDER_FILEPATH"] = str(recording)
    os.environ["MOTO_PORT"] = str(port)

    from moto.moto_api import recorder
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server
    from werkzeug.test import Client

    application = DomainDispatcherApplication(create_backend_app)
    _merge_features()
    replayed = _replay(recording, Client(application))
    recorder.start_recording()

    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(f"moto on 127.0.0.1:{port}, {replayed} recorded requests replayed", flush=True)
    server.serve_forever()
    sys.exit(0)


if __name__ == "__main__":
    main()
