"""Lets a task call the local AWS and its databases, which listen on this machine's loopback address only.

A socket is opened inside the task's own network, on its loopback address, and connections to it are passed on. So
nothing of the local AWS can be reached from outside this machine. It needs root and an engine on this machine
(Linux); elsewhere tasks can't call the local AWS.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import sys
import threading
from pathlib import Path

logger = logging.getLogger("slipway.tasknet")

_CLONE_NEWNET = 0x40000000

# What ministack takes for the way from a container to itself.
_MINISTACKS_HOST = "host.docker.internal"


def possible(docker_host: str) -> bool:
    """Whether this process may enter the network of a container of this engine."""
    return sys.platform == "linux" and os.geteuid() == 0 and docker_host.startswith("unix://")


def readdressed(environment: dict[str, str], port: int) -> dict[str, str]:
    """A container's environment with the local AWS's URLs at its own loopback address."""
    there, here = f"http://{_MINISTACKS_HOST}:{port}", f"http://127.0.0.1:{port}"
    return {name: here + value.removeprefix(there) if value.startswith(there) else value
            for name, value in environment.items()}


_lock = threading.Lock()
_pids: set[int] = set()
_offered: set[int] = set()


def offer(port: int) -> None:
    """Passes on connections to another port of this machine too, from inside all tasks, present and future."""
    with _lock:
        if port in _offered:
            return
        _offered.add(port)
        present = [pid for pid in _pids if Path(f"/proc/{pid}").exists()]
    for pid in present:
        _open(pid, port)


def withdraw(port: int) -> None:
    """Ends what offer began."""
    with _lock:
        _offered.discard(port)


def expose(pid: int, port: int) -> None:
    """Starts passing on connections from inside the network of a process, as long as the process lives.

    Besides this port, those are open that were offered to all.
    """
    with _lock:
        _pids.difference_update([gone for gone in _pids if not Path(f"/proc/{gone}").exists()])
        _pids.add(pid)
        ports = {port, *_offered}
    for each in sorted(ports):
        _open(pid, each, lasting=each == port)


def _open(pid: int, port: int, lasting: bool = False) -> None:
    ready = threading.Event()
    threading.Thread(target=_serve, args=(pid, port, ready, lasting), daemon=True, name=f"tasknet-{pid}").start()
    # The application may call at once.
    ready.wait(5)


def _listener(pid: int, port: int) -> socket.socket:
    # setns changes the calling thread only, and a socket stays in the network it was made in.
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if libc.setns(theirs, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.create_server(("127.0.0.1", port))
        finally:
            if libc.setns(own, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns back")
    finally:
        os.close(own)
        os.close(theirs)


def _serve(pid: int, port: int, ready: threading.Event, lasting: bool) -> None:
    try:
        listener = _listener(pid, port)
    except OSError as failed:
        logger.warning("the task of process %d can't reach port %d of this machine: %s", pid, port, failed)
        return
    finally:
        ready.set()
    listener.settimeout(2)
    with listener:
        while Path(f"/proc/{pid}").exists() and (lasting or port in _offered):
            try:
                inside, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=_connect, args=(inside, port), daemon=True).start()


def _connect(inside: socket.socket, port: int) -> None:
    try:
        outside = socket.create_connection(("127.0.0.1", port), timeout=10)
    except OSError:
        inside.close()
        return
    inside.settimeout(None)
    outside.settimeout(None)
    threading.Thread(target=_pump, args=(inside, outside), daemon=True).start()
    _pump(outside, inside)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass  # either side went away; the other one is told below
    finally:
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()
