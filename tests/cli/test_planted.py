"""Python files among somebody's pictures: no process that nst starts imports them."""

import pytest

NAMES = (
    *(
        "numpy",
        "nst",
        "json",
        "pickle",
        "multiprocessing",
        "subprocess",
        "threading",
        "socket",
        "click",
        "PIL",
    ),
    *(
        "torch",
        "onnxruntime",
        "tensorflow",
        "safetensors",
        "sitecustomize",
        "usercustomize",
        "psutil",
        "rich",
    ),
    *("tempfile", "signal", "uvicorn", "concurrent", "queue", "logging", "ray", "readline", "_strptime"),
)
TRAP = """
with open({ran!r}, "a") as file:
    file.write(__name__ + " ")
raise SystemExit("planted " + __name__)
"""


@pytest.fixture
def planted(tmp_path, python, environment):
    """planted(*words): `nst` as it is installed, in a folder with planted files; those that ran are in `.ran`."""
    (tmp_path / "bin").mkdir()
    nst = tmp_path / "bin" / "nst"
    nst.write_text("from nst.cli.main import main\nif __name__ == '__main__':\n    main()\n")
    folder, ran = tmp_path / "pictures", tmp_path / "ran.txt"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(TRAP.format(ran=str(ran)))

    def run(*words, start=(nst,)):
        done = python(*start, *words, cwd=folder, env={**environment, "RAY_USAGE_STATS_ENABLED": "0"})
        done.ran = ran.read_text() if ran.exists() else ""
        return done

    return run


@pytest.mark.slow
def test_workers_of_a_batch(planted, pictures, small_run):
    words = [*small_run, "--size", 32, "--steps", 1, "--jobs", 2]
    done = planted(
        "batch", pictures.content, pictures.other, "--styles", pictures.style, *words, "-o", "../out"
    )
    assert (done.ran, done.returncode) == ("", 0), done.stderr
    assert done.stdout == "../out: 2 painted; ../out/nst-batch.html shows them\n"


@pytest.mark.slow
def test_workers_of_a_picture(planted, pictures, small_run):
    words = [*small_run, "--size", 80, "--tile", 48, "--scales", 1, "--steps", 1, "--device", "cpu,cpu"]
    words += ["--content-layers", "conv2_1", "--style-layers", "conv1_1,conv2_1", "-q"]
    done = planted("stylize", pictures.content, pictures.style, *words, "-o", "../out.png")
    assert (done.ran, done.returncode) == ("", 0), done.stderr


@pytest.mark.slow
def test_painters_of_the_studio(planted, tmp_path):
    """The one that says that there is no such backend has been started."""
    pytest.importorskip("uvicorn")
    done = planted("web", "--port", 0, "--folder", tmp_path / "studio", "--backend", "abacus")
    assert (done.ran, done.returncode) == ("", 2), done.stderr
    assert "unknown backend 'abacus'" in done.stderr


@pytest.mark.slow
def test_probes_of_the_backends(planted):
    done = planted("backends", "--devices")
    assert (done.ran, done.returncode) == ("", 0), done.stderr
    assert "numpy 2" in done.stdout


def test_the_suite_of_a_backend(planted):
    done = planted("conformance", "numpy", "--level", 0)
    assert (done.ran, done.returncode) == ("", 0), done.stderr + done.stdout


@pytest.mark.slow
def test_a_cluster(planted, pictures, small_run):
    pytest.importorskip("ray")
    words = [*small_run, "--size", 32, "--steps", 1, "--ray=local", "--ray-workers", 1]
    done = planted("batch", pictures.content, "--styles", pictures.style, *words, "-o", "../out")
    assert (done.ran, done.returncode) == ("", 0), done.stderr


@pytest.mark.slow
def test_as_a_module(planted, pictures, small_run, tmp_path):
    """Before nst is there Python itself has looked into the folder, for nst and a few modules of its own."""
    words = [*small_run, "--size", 32, "--steps", 1, "--jobs", 2, "-o", "../out"]
    words = ["batch", pictures.content, pictures.other, "--styles", pictures.style, *words]
    for name in ("nst", "multiprocessing"):
        (tmp_path / "pictures" / f"{name}.py").unlink()
    done = planted(*words, start=("-m", "nst"))
    assert (done.ran, done.returncode) == ("", 0), done.stderr


def test_before_python_3_11(python, tmp_path):
    """The way without -P, on any Python."""
    (tmp_path / "multiprocessing.py").write_text("open('ran', 'w')")
    (tmp_path / "resource.py").write_text("open('ran', 'w')")
    program = tmp_path / "bin" / "program.py"
    program.parent.mkdir()
    program.write_text(
        "import subprocess\n"
        "from nst import children\n"
        "children.KNOWN = False\n"
        "command = children.python_command('import multiprocessing, nst; print(sys.argv[1:])', 'told')\n"
        "assert '-P' not in command\n"
        "subprocess.run(command)\n"
    )
    done = python("-u", program)
    assert (done.stdout, done.stderr) == ("['told']\n", "")
    assert not (tmp_path / "ran").exists()
