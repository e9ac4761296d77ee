"""docs/browser in Chromium: the page paints with ONNX Runtime Web, and its losses are those of the library."""

import functools
import http.server
import importlib.util
import io
import os
import shutil
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import nst
from nst.conformance.compare import tolerance

pytestmark = pytest.mark.slow

WIDTH, HEIGHT, STEPS, SAME = 48, 32, 10, 5
SPY = """
const Plain = Worker;
window.reports = [];
window.Worker = class extends Plain {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => window.reports.push({ ...data, picture: null }));
  }
};
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files and nothing else, with the headers for threads or without them."""

    isolated = False
    extensions_map = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}  # noqa: RUF012
    extensions_map |= {".html": "text/html", ".css": "text/css", ".json": "application/json"}

    def end_headers(self):
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory, small_network, need):
    """The site, with the small network."""
    need("onnx")
    spec = importlib.util.spec_from_file_location("browser_build", root / "docs/browser/build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    if not build.RUNTIME.is_dir():
        required = os.environ.get("NST_REQUIRE_BROWSER")
        (pytest.fail if required else pytest.skip)("there is no onnxruntime-web: make browser")
    site = tmp_path_factory.mktemp("site")
    for path in (root / "docs/browser").glob("*.*"):
        if path.suffix in (".html", ".css", ".js"):
            shutil.copyfile(path, site / path.name)
    build.build(site, [(WIDTH, HEIGHT), (HEIGHT, WIDTH), (64, 48)], small_network)
    return site


@pytest.fixture(scope="module")
def serve(folder):
    """serve(isolated): the address of the site."""
    servers = []

    def start(isolated):
        handler = type("Handler", (Handler,), {"isolated": isolated})
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(handler, directory=folder)
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/index.html"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def drawn(seed):
    """(H, W, 3) uint8."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (3, 4, 3), np.uint8))
    smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float64)
    return (smooth + generator.normal(0, 12, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of a photograph and a painting."""
    made = tmp_path_factory.mktemp("drawn")
    for name, seed in (("photograph", 1), ("painting", 2)):
        Image.fromarray(drawn(seed)).save(made / f"{name}.png")
    return SimpleNamespace(photograph=made / "photograph.png", painting=made / "painting.png")


def load(page, address):
    """Open the page; a machine may be busy."""
    page.set_default_timeout(120_000)
    page.add_init_script(SPY)
    page.goto(address)
    page.wait_for_function("document.body.dataset.ready && (crossOriginIsolated || location.search)")
    return page


@pytest.fixture(scope="module")
def loaded(chromium, serve):
    """A page that computes with one thread, for many tests: to compile what computes takes seconds."""
    context = chromium.new_context()
    page, asked, errors = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    address = serve(isolated=False)
    yield SimpleNamespace(page=load(page, f"{address}?threads=1"), address=address, asked=asked)
    context.close()
    assert not errors


@pytest.fixture
def opened(loaded, files):
    """The same with both pictures chosen, and every wish as it is at first."""
    return choose(loaded.page, files)


def choose(page, files):
    if page.get_by_role("button", name="Stop").is_enabled():  # a test has failed
        page.get_by_role("button", name="Stop").click()
    for label, path in (("Photograph", files.photograph), ("Painting", files.painting)):
        page.get_by_label(label, exact=True).set_input_files(path)
        shown = f"document.getElementById('{label.lower()}-shown').alt.includes('{path.name}')"
        page.wait_for_function(shown)
    page.get_by_label(f"{WIDTH} px").check()
    page.get_by_label("Steps", exact=True).fill(str(STEPS))
    page.get_by_label("Strength of the style").fill("0.5")
    page.get_by_label("Computed by").select_option("cpu")
    return page


def paint(page, until="done"):
    """Begin a run, and wait for a step of it or its end."""
    page.evaluate("window.reports.length = 0")
    page.get_by_role("button", name="Paint", exact=True).click()
    page.wait_for_function(
        "kind => window.reports.some(({type}) => type === kind || type === 'failed')", arg=until
    )
    assert not reports(page, "failed")
    return reports(page)


def reports(page, kind="step"):
    """Those of the newest run: one that was stopped may end with a step."""
    found = [report for report in page.evaluate("window.reports") if report["type"] == kind]
    return [report for report in found if report["run"] == found[-1]["run"]]


@pytest.fixture(scope="module")
def library(small_network):
    """Totals of the library's steps."""
    records = nst.StyleTransfer(
        drawn(1),
        drawn(2),
        backend="numpy",
        weights=small_network,
        optimizer="adam",
        scales=1,
        size=WIDTH,
        steps=STEPS,
        octave_noise=0,  # the page starts from the photograph as it is
    ).iterate()
    return [record.losses().total for record in records]


@pytest.mark.parametrize("isolated", [False, True])
def test_the_losses_of_the_page_are_those_of_the_library(isolated, request, loaded, serve, files, library):
    page = load(request.getfixturevalue("page"), serve(isolated)) if isolated else loaded.page
    choose(page, files)
    assert page.evaluate("crossOriginIsolated") is isolated
    totals = [report["total"] for report in paint(page)]
    assert len(totals) == STEPS
    assert totals[-1] < 0.8 * totals[0]
    assert np.abs(np.array(totals[:1]) / library[:1] - 1).max() < tolerance("float32", "loss").limit
    assert np.abs(np.array(totals[:SAME]) / library[:SAME] - 1).max() < tolerance("float32", "curve").limit
    assert page.locator("#step").inner_text() == f"{STEPS} of {STEPS}"
    assert page.get_by_role("button", name="Paint", exact=True).is_enabled()


def test_a_service_worker_gives_threads_where_the_server_does_not(page, serve):
    load(page, serve(isolated=False))  # and once more: the first has no threads
    assert page.evaluate("crossOriginIsolated")
    page.get_by_label("Steps", exact=True).fill(str(STEPS))
    paint(page)
    assert page.locator("#status").inner_text().startswith("Done")


def test_stop_save_and_another_strength(opened, tmp_path):
    page = opened
    page.get_by_label("Steps", exact=True).fill("300")
    run = paint(page, "step")[0]["run"]
    page.get_by_role("button", name="Stop").click()
    assert page.locator("#status").inner_text() == "Stopped."
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    download.value.save_as(tmp_path / "painted.png")
    picture = Image.open(io.BytesIO((tmp_path / "painted.png").read_bytes()))
    assert (picture.format, picture.size) == ("PNG", (WIDTH, HEIGHT))
    assert np.abs(np.asarray(picture.convert("RGB"), float) - drawn(1)).mean() > 1
    stopped = reports(page)
    page.get_by_label("Strength of the style").fill("0.9")
    page.get_by_label("Steps", exact=True).fill(str(STEPS))
    strong = paint(page)[0]
    late = [report for report in page.evaluate("window.reports") if report["type"] == "step"]
    last = [report["number"] for report in stopped + late if report["run"] == run][-1]
    assert last < 300  # another run begins when the one before has ended
    assert strong["run"] > run
    page.get_by_label("Strength of the style").fill("0.5")
    weak = paint(page)[0]
    assert strong["total"] == pytest.approx(81 * weak["total"], rel=1e-3)  # (0.9 / 0.1)^2
    assert strong["losses"] == weak["losses"]


def test_a_large_picture_is_painted_coarse_to_fine(opened):
    page = opened
    page.get_by_label("64 px").check()
    page.get_by_label("Steps", exact=True).fill("20")
    seen = paint(page)
    assert [report["number"] for report in seen] == list(range(1, 21))
    assert [report["width"] for report in seen] == [WIDTH] * 10 + [64] * 10
    totals = [report["total"] for report in seen]
    # the larger photograph alone would begin near totals[0]: it goes on from what was painted
    assert totals[10] < 0.5 * totals[0]
    assert page.locator("#picture").evaluate("canvas => [canvas.width, canvas.height]") == [64, 48]


def test_what_is_no_picture_is_refused_and_the_shape_of_the_photograph_is_kept(opened, tmp_path):
    page = opened
    (tmp_path / "note.png").write_text("no picture")
    page.get_by_label("Photograph", exact=True).set_input_files(tmp_path / "note.png")
    page.wait_for_function("document.getElementById('status').textContent.includes('note.png is no picture')")
    Image.fromarray(drawn(3).transpose(1, 0, 2)).save(tmp_path / "upright.png")
    page.get_by_label("Photograph", exact=True).set_input_files(tmp_path / "upright.png")
    page.wait_for_function("document.getElementById('photograph-shown').alt.includes('upright.png')")
    first = paint(page)[0]
    assert (first["width"], first["height"]) == (HEIGHT, WIDTH)


OTHERS = {
    "w2": {"style_loss": "w2", "pooling": "max", "padding": "replicate", "tv_weight": 0.1},
    "wraps": {
        "padding": "circular",
        "style_loss": "covariance",
        "content_layers": "conv2_2",
        "style_layers": "conv1_1,conv2_1",
    },
}
RUN = """
async ([graph, feeds]) => {
  const ort = await import("./vendor/ort.wasm.min.mjs");
  ort.env.wasm.wasmPaths = new URL("vendor/", location.href).href;
  ort.env.wasm.numThreads = 1;
  const { Step } = await import("./step.js");
  const step = await Step.load(ort, graph, [], ["wasm"]);
  const tensors = Object.fromEntries(
    Object.entries(feeds).map(([name, data]) => [
      name,
      new ort.Tensor("float32", Float32Array.from(data), step.shapes.get(name)),
    ]),
  );
  const { total, gradient } = await step.session.run(tensors);
  return [total.data[0], Array.from(gradient.data)];
}
"""


@pytest.mark.parametrize("name", OTHERS)
def test_the_runtime_of_the_browser_has_the_operators_of_other_settings(name, loaded, folder, small_network):
    import onnxruntime

    from nst.export import export_onnx, export_style, read_style

    graph = folder / f"{name}.onnx"
    export_onnx(graph, (WIDTH, HEIGHT), weights=small_network, **OTHERS[name])
    export_style(drawn(2), folder / "style", WIDTH, weights=small_network, backend="numpy", **OTHERS[name])
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    feeds = {value.name: generator.random(value.shape).astype(np.float32) for value in session.get_inputs()}
    feeds |= read_style(folder / "style", graph)
    wanted = dict(zip(["total", "gradient"], session.run(["total", "gradient"], feeds), strict=True))
    plain = {key: value.ravel().tolist() for key, value in feeds.items()}
    total, gradient = loaded.page.evaluate(RUN, [graph.name, plain])
    assert total == pytest.approx(float(wanted["total"]), rel=tolerance("float32", "loss").limit)
    difference = np.linalg.norm(np.array(gradient) - wanted["gradient"].ravel())
    assert difference < tolerance("float32", "gradient").limit * np.linalg.norm(wanted["gradient"])


def test_the_page_asks_its_own_server_alone(loaded):
    page = loaded.page
    page.get_by_label("Steps", exact=True).fill(str(STEPS))
    paint(page)
    assert page.locator("#status").inner_text().startswith("Done")
    origin = loaded.address.removesuffix("index.html")
    assert len(loaded.asked) > 5
    assert [url for url in loaded.asked if not url.startswith((origin, "data:", "blob:"))] == []
