"""A TCP relay in front of a service. It can hold responses and cut connections."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Relay:
    """A relay to a service that may stop and start again."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.open: set[socket.socket] = set()
        self._flows = threading.Event()
        self._flows.set()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._all = [threading.Thread(target=self._accept, daemon=True)]
        self._all[0].start()

    def hold_answers(self) -> None:
        """Hold all bytes of the service until the connections are cut."""
        self._flows.clear()

    def cut(self) -> None:
        """Cut all connections. Later connections are not held."""
        for one in list(self.open):
            _end(one)
        self._flows.set()

    def close(self) -> None:
        """Cut all connections and accept no more."""
        _end(self._door)
        self.cut()
        for thread in self._all:
            thread.join(timeout=10)
        self._door.close()

    def _accept(self) -> None:
        while True:
            try:
                near = self._door.accept()[0]
            except OSError:
                return
            host, port = self.target.split(":")
            try:
                far = socket.create_connection((host, int(port)), timeout=10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self.open |= {near, far}
            for ends in ((near, far, False), (far, near, True)):
                thread = threading.Thread(target=self._pass_on, args=ends, daemon=True)
                self._all.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, target: socket.socket, back: bool) -> None:  # noqa: FBT001
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if back and not self._flows.is_set():
                    self._flows.wait(60)
                    break
                target.sendall(data)
        _end(target)
        self.open.discard(source)
        source.close()


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relayed(target: str) -> Iterator[Relay]:
    """Run a relay in front of a service for the length of a `with` block."""
    relay = Relay(target)
    try:
        yield relay
    finally:
        relay.close()
