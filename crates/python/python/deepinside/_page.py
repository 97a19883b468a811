"""The page of ``deepinside serve`` inside a notebook, with a model that is in memory."""

from __future__ import annotations

import os
import socket
import sys
from html import escape
from typing import Any
from urllib.parse import urlsplit

from . import _native

#: Where a notebook that runs on this machine may be, if its server cannot be asked.
_LOCAL = ["http://localhost:*", "http://127.0.0.1:*", "https://localhost:*", "https://127.0.0.1:*"]


class Page:
    """The page with a model that is in memory, served by this process for this machine alone.

    A notebook shows it in a frame; elsewhere open :attr:`url` in a browser. It answers until :meth:`close`, or the end of the
    process. It is also a context manager.

    Attributes
    ----------
    url : str
        The address for a browser on this machine, with the token that the server wants.
    """

    def __init__(self, server: _native.NativeServer, base: str, view: str, height: int) -> None:
        self._server = server
        self._height = height
        self._frame = f"{base}/{urlsplit(server.url)._replace(scheme='', netloc='').geturl().lstrip('/')}{view}"
        self.url = f"{server.url}{view}"

    def close(self) -> None:
        """Ends the server."""
        self._server.stop()

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_html_(self) -> str:
        return (
            f'<iframe src="{escape(self._frame)}" width="100%" height="{self._height}" style="border: 0" title="deepinside" '
            f'allow="clipboard-write"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<page at {self.url}>"


def open_page(
    model: _native.NativeModel, flag: str | None, photograph: bytes | None, view: str, height: int, origins: list[str] | None
) -> Page:
    """Starts a server of a model; see :meth:`deepinside.Model.show`."""
    if "google.colab" in sys.modules:
        port = _free_port()
        base = _colab_address(port).rstrip("/")
        ancestors, hosts = ["https://colab.research.google.com", "https://*.googleusercontent.com"], [urlsplit(base).netloc]
    else:
        port, base, hosts = 0, "", []
        ancestors = ["vscode-webview:", "vscode-file:"] if _is_vscode() else _jupyter_origins() or _LOCAL
    server = _native.serve(model, flag, ancestors if origins is None else origins, hosts, port)
    # The name by which Jupyter's own address is known, so that browsers take the two for one site.
    base = base or f"http://localhost:{server.port}"
    chosen = "" if photograph is None else f"?photograph={server.add_photograph(photograph)}"
    return Page(server, base, f"#/{view}{chosen}", height)


def _is_vscode() -> bool:
    return any(name.startswith("VSCODE_") for name in os.environ)


def _jupyter_origins() -> list[str]:
    """The origins of the Jupyter server that started this kernel, as far as it says where it is."""
    try:
        from jupyter_server.serverapp import list_running_servers
    except ImportError:
        return []
    parent = os.environ.get("JPY_PARENT_PID", "")
    origins = []
    for server in list_running_servers():
        if str(server.get("pid")) == parent:
            address = urlsplit(str(server["url"]))
            origins += [f"{address.scheme}://{host}:{address.port}" for host in (address.hostname, "localhost", "127.0.0.1") if host]
    return list(dict.fromkeys(origins))


def _free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])


def _colab_address(port: int) -> str:
    """Where the browser finds a port of Colab's machine."""
    output: Any = sys.modules["google.colab"].output
    return str(output.eval_js(f"google.colab.kernel.proxyPort({port})"))
