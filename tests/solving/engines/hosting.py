"""Our server over a twin, in a thread of the test's own process."""

from __future__ import annotations

import threading
import time
from typing import Any

from mathlm.solving.engines.local import LocalEngine
from mathlm.solving.engines.openai import OpenAIEngine
from mathlm.solving.engines.openai_config import ServerConfig
from mathlm.solving.server import listen
from mathlm.solving.server.app import Limits, make_app
from mathlm.solving.server.jobs import Served


class Hosted:
    """A server at `url` until it is closed."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        key: str | None = None,
        limits: Limits | None = None,
        port: int = 0,
        **options: Any,
    ) -> None:
        self.engine = LocalEngine(model, tokenizer, **options)
        served = Served.of(self.engine, tokenizer, "twin")
        app = make_app(served, key=key, hosts=listen.hosts_of("127.0.0.1"), limits=limits)
        self._socket = listen.open_socket("127.0.0.1", port)
        self.url = listen.url_of(self._socket)
        self._server = listen.server_of(app)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started:
            assert self._thread.is_alive() and time.monotonic() < deadline, "the server starts"
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive(), "the server ends"
        self._socket.close()
        self.engine.close()


class OverHttp(OpenAIEngine):
    """The openai engine over our server over the local engine."""

    def __init__(self, model: Any, tokenizer: Any, **options: Any) -> None:
        self.hosted = Hosted(model, tokenizer, **options)
        super().__init__(ServerConfig(base_url=self.hosted.url), logprobs=True)

    def close(self) -> None:
        super().close()
        self.hosted.close()
