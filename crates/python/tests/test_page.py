"""`model.show`: the page with a model that is in memory."""

import json
import sys
import types
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

import deepinside

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "crates/deepinside/tests/fixtures/attribution"
CAT = ROOT / "examples/cat.png"


@pytest.fixture(scope="module")
def model():
    return deepinside.Model.from_bytes((FIXTURES / "residual.onnx").read_bytes(), "mine")


def ask(page, path, body=None, **headers):
    address = urlsplit(page.url)
    token = parse_qs(address.query)["token"][0]
    request = urllib.request.Request(
        f"http://{address.netloc}{path}", None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers, answer.read()


def test_the_page_has_the_model_that_is_in_memory(model):
    with model.show(CAT) as page:
        models = json.loads(ask(page, "/api/v1/models")[1])
        assert [own["classes"] for own in models] == [5] and models[0]["is_open"]
        photograph = parse_qs(urlsplit(page.url).fragment.split("?")[1])["photograph"][0]
        found = json.loads(ask(page, "/api/v1/classify", {"photograph": photograph, "top": 5})[1])
        own = model.classify(CAT, top=5)
        assert [entry["index"] for entry in found["top"]] == [entry.index for entry in own]
        np.testing.assert_allclose([entry["score"] for entry in found["top"]], [entry.score for entry in own], rtol=1e-5)
    with pytest.raises(urllib.error.URLError):
        ask(page, "/healthz")
    page.close()


def test_the_server_wants_its_token_and_its_name(model):
    with model.show() as page:
        for headers, status in [({"Authorization": "none"}, 401), ({"Host": "evil.example"}, 403), ({"Origin": "http://localhost:8888"}, 403)]:
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(page, "/api/v1/models", **headers)
            assert refused.value.code == status
        policy = ask(page, "/")[0]["Content-Security-Policy"]
        assert "frame-ancestors http://localhost:* http://127.0.0.1:*" in policy
        with model.show(origins=["https://hub.example"]) as other:
            assert ask(other, "/")[0]["Content-Security-Policy"].endswith("frame-ancestors https://hub.example")
        assert page._repr_html_().startswith("<iframe src=\"http://localhost:") and "token=" in page._repr_html_()


def test_vscode_and_colab_are_known(model, monkeypatch):
    monkeypatch.setenv("VSCODE_PID", "1")
    with model.show() as page:
        assert ask(page, "/")[0]["Content-Security-Policy"].endswith("frame-ancestors vscode-webview: vscode-file:")
    monkeypatch.delenv("VSCODE_PID")
    asked = []

    def evaluate(script):
        asked.append(script)
        return "https://8000-colab.googleusercontent.example/"

    colab = types.ModuleType("google.colab")
    colab.output = types.SimpleNamespace(eval_js=evaluate)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    with model.show(CAT) as page:
        port = urlsplit(page.url).port
        assert asked == [f"google.colab.kernel.proxyPort({port})"]
        assert "https://8000-colab.googleusercontent.example/?token=" in page._repr_html_()
        # What stands between the two may keep this server's name or take its own.
        ask(page, "/api/v1/models", Origin="https://8000-colab.googleusercontent.example")
        ask(page, "/api/v1/models", Host="8000-colab.googleusercontent.example")


def test_any_image_is_shown(model):
    pixels = np.zeros((40, 60, 3), np.uint8)
    for image in (CAT.read_bytes(), pixels, pixels[:, :, 0], pixels[::2, ::2]):
        with model.show(image, view="layers") as page:
            assert "#/layers?photograph=" in page.url
    with pytest.raises(ValueError, match="view is one of"):
        model.show(CAT, view="nothing")
    with pytest.raises(ValueError, match="uint8"):
        model.show(np.zeros((40, 60, 3), np.float32))
    with pytest.raises(ValueError, match="picture"):
        model.show(b"no picture")
    with pytest.raises(ValueError, match="names no page"):
        model.show(origins=["a b"])


def test_python_keeps_its_signals(model):
    import signal

    # What a shell starts in the background begins with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with model.show():
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
