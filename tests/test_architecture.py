"""docs/architecture.md, enforced: which module may import which, names, sizes, and what `import nst` loads."""

import ast
import json
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("nst", "backends", "models", "cli", "conformance")
LONGEST = 700  # unless the file says why: a comment "# long: why"
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras", "onnx", "onnxruntime", "jax", "cupy"}
OUTSIDE = {
    "av",
    "numpy",
    "PIL",
    "safetensors",
    "platformdirs",
    "filelock",
    "click",
    "rich",
    "h5py",
    "jinja2",
    "tifffile",
    "matplotlib",
    "tqdm",
    "cv2",
    "rembg",  # of the user's own: it cannot get its network everywhere
    "skimage",
    "onnx",
    "psutil",
    "ray",
    "starlette",
    "uvicorn",
    "typing_extensions",  # for type checkers alone
}

# which rooms of nst the files of a room may import, besides their own, nst.errors and nst._version; no arrow runs up
BELOW = {
    "nst/children.py": "",
    "nst/documents.py": "",
    "nst/files.py": "",
    "nst/samples/": "files",
    "models/": "files samples",
    "nst/protocol.py": "models",
    "backends/": "files models protocol",
    "nst/repr_html.py": "",
    "nst/plot.py": "pictures",
    "nst/settings.py": "models",
    "nst/pictures/": "documents files settings",
    "nst/presets.py": "models",
    "nst/encoding/": "models pictures protocol",
    "nst/losses/": "encoding models pictures protocol",
    "nst/optim/": "protocol",
    "nst/planning/": "encoding models optim protocol repr_html settings",
    "nst/engine/": "encoding losses models optim pictures planning protocol settings",
    "nst/workers/": "backends children engine models planning protocol",
    "nst/progress.py": "engine optim pictures protocol repr_html settings",
    "nst/arguments.py": "control engine losses models optim pictures planning progress protocol settings workers",
    "nst/control.py": "progress",
    "nst/result.py": "control optim pictures plot progress settings",
    "nst/inputs.py": "engine models pictures planning settings",
    "nst/checkpoint.py": "backends documents engine files inputs models optim pictures planning protocol settings workers",
    "nst/": "arguments backends batch checkpoint control encoding engine inputs losses models optim "
    "pictures planning plot presets progress protocol repr_html result settings synthesis "
    "transfer workers",
    "nst/export/": "backends documents encoding engine files losses models optim protocol settings transfer",
    "nst/batch/": "arguments backends children description documents engine models pictures planning progress settings transfer "
    "workers",
    "nst/video/": "arguments engine losses pictures settings transfer",
    "nst/__main__.py": "children cli",
    "conformance/": "backends children encoding engine files losses models optim pictures protocol settings workers",
    "cli/": "*",
}
FRAMEWORKS_OF = {
    "backends/torch/": {"torch"},
    "backends/tensorflow/": {"tensorflow", "keras"},
    "backends/onnx/": {"onnx", "onnxruntime"},
}
PURE = (
    "nst/protocol.py",
    "nst/settings.py",
    "nst/encoding/",
    "nst/losses/",
    "nst/optim/",
    "nst/engine/",
    "backends/tape.py",
)

FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if not any(parent.is_symlink() for parent in path.parents)
)


def imports(file):
    """(module, line, at import time) of every import in a file; `from a import b` counts as a.b if that is a module."""
    tree = ast.parse((ROOT / file).read_text())
    lazy = {
        id(node)
        for scope in ast.walk(tree)
        if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef)) or is_type_checking(scope)
        for node in ast.walk(scope)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            names = [full(node.module, alias.name) for alias in node.names]
        else:
            continue
        for name in names:
            yield name, node.lineno, id(node) not in lazy


def is_type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def full(module, name):
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else module


def room(file):
    """The most special entry of BELOW."""
    return max((prefix for prefix in BELOW if file.startswith(prefix)), key=len)


def may_import(file, module):
    """Whether a file may import a module of nst."""
    own = room(file).removesuffix("/").removesuffix(".py").removeprefix("nst/").replace("/", ".")
    allowed = {own, "errors", "_version", *BELOW[room(file)].split()}
    return "*" in allowed or (module.split(".")[1:2] and module.split(".")[1] in allowed)


def test_there_is_something_to_check():
    assert {file.split("/")[0] for file in FILES} == set(PACKAGES)
    assert len(FILES) > 40


@pytest.mark.parametrize("file", FILES)
def test_imports_point_one_way(file):
    for module, line, _ in imports(file):
        if module.split(".")[0] == "nst":
            assert may_import(file, module), (
                f"{file}:{line} imports {module}; {room(file)} may: {BELOW[room(file)]}"
            )


def test_no_import_closes_a_circle():
    """Neither at once nor later: what a file imports knows nothing of it."""
    installed = {}
    for file in FILES:
        path = Path(file) if file.startswith("nst/") else Path("nst", file)
        installed[".".join(path.with_suffix("").parts).removesuffix(".__init__")] = file
    graph = {
        name: {module for module, _, _ in imports(file) if module in installed and module != name}
        for name, file in installed.items()
    }
    list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith("cli/commands/")])
def test_a_command_imports_no_other_command(file):
    assert not [module for module, _, _ in imports(file) if module.startswith("nst.cli.commands")]


def test_the_rules_themselves():
    """The check finds what it is there to find."""
    assert room("nst/losses/style.py") == "nst/losses/"
    assert room("nst/transfer.py") == "nst/"
    assert room("backends/torch/ops.py") == room("backends/tape.py") == "backends/"
    assert may_import("nst/losses/style.py", "nst.losses.term")
    assert may_import("nst/engine/stage.py", "nst.losses.term")
    assert may_import("backends/tape.py", "nst.protocol")
    assert not may_import("nst/losses/style.py", "nst.engine.stage")
    assert not may_import("nst/progress.py", "nst.transfer")
    assert not may_import("nst/protocol.py", "nst")
    found = {module for module, _, _ in imports("nst/transfer.py")}
    assert {"nst.pictures.kinds", "nst.models.store.resolve", "pathlib"} <= found
    eager = {module for module, _, now in imports("cli/main.py") if now}
    assert "nst.errors" in eager
    assert not any(now for module, _, now in imports("cli/engine.py") if module == "nst.transfer")


@pytest.mark.parametrize("file", FILES)
def test_frameworks_stay_in_their_backends(file):
    own = next((names for folder, names in FRAMEWORKS_OF.items() if file.startswith(folder)), set())
    for module, line, _ in imports(file):
        assert module.split(".")[0] not in FRAMEWORKS - own, f"{file}:{line} imports {module}"


@pytest.mark.parametrize("file", [file for file in FILES if file.startswith(PURE)])
def test_the_core_needs_numpy_and_the_standard_library_only(file):
    import sys

    for module, line, _ in imports(file):
        root = module.split(".")[0]
        assert root in sys.stdlib_module_names | {"numpy", "nst"}, f"{file}:{line} imports {module}"


@pytest.mark.parametrize("file", FILES)
def test_every_other_import_is_a_declared_dependency(file):
    import sys

    allowed = sys.stdlib_module_names | OUTSIDE | FRAMEWORKS | {"nst"}
    if file.startswith("conformance/"):
        allowed |= {"pytest"}
    for module, line, now in imports(file):
        if module.startswith("typing_extensions") and not now:
            continue  # for type checkers, which know it without its being installed
        assert module.split(".")[0] in allowed, f"{file}:{line} imports {module}"


def order(name):
    """As ruff sorts (RUF022): CONSTANTS, Classes, the rest."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


@pytest.mark.parametrize("file", FILES)
def test_all_is_there_sorted_and_true(file):
    tree = ast.parse((ROOT / file).read_text())
    found = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    defined = {
        name
        for node in tree.body
        for name in (
            [node.name]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            else [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            if isinstance(node, ast.Assign)
            else [node.target.id]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            else [alias.asname or alias.name for alias in node.names]
            if isinstance(node, (ast.Import, ast.ImportFrom))
            else []
        )
    }
    public = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) if n.name[0] != "_"}
    if not found:
        private = Path(file).name.startswith("_")
        assert not public or private, f"{file} has public names {sorted(public)} and no __all__"
        return
    names = ast.literal_eval(found[0])
    assert names == sorted(set(names), key=order)
    if file != "nst/__init__.py":  # whose names are imported when they are used
        assert set(names) <= defined, f"{file}: __all__ names what is not there: {set(names) - defined}"


def test_the_public_names_of_nst_exist():
    nst = import_module("nst")
    assert nst.__all__ == sorted(nst.__all__, key=order)
    for name in nst.__all__:
        assert getattr(nst, name) is not None


@pytest.mark.parametrize("file", FILES)
def test_a_file_can_be_read_in_one_go(file):
    lines = (ROOT / file).read_text().splitlines()
    silenced = any(line.startswith("# long: ") for line in lines)
    assert len(lines) <= LONGEST or silenced, (
        f"{file} has {len(lines)} lines, the alarm is at {LONGEST}: one idea a file, or a comment `# long: why`"
    )


LOADED = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted({{name.split(".")[0] for name in set(sys.modules) - before}})))
"""


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import nst", FRAMEWORKS | {"numpy", "PIL", "click", "rich"}),
        (
            "import nst.transfer, nst.settings, nst.models.store.resolve",
            FRAMEWORKS | {"click", "rich", "scipy", "h5py"},
        ),
        ("import nst.backends; nst.backends.backend_names()", FRAMEWORKS),
        ("import nst; nst.stylize, nst.LBFGS, nst.get_backend", FRAMEWORKS),
        ("import nst.conformance", FRAMEWORKS),
    ],
)
def test_import_loads_no_framework_and_says_nothing(statement, forbidden, python):
    done = python("-c", LOADED.format(statement=statement))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert not forbidden & set(json.loads(line))


def test_import_touches_neither_disk_nor_network(python):
    hook = """
import sys
sys.dont_write_bytecode = True
bad = []
def audit(event, args):
    if event.startswith("socket.") or (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")):
        bad.append((event, str(args[0])))
sys.addaudithook(audit)
import nst.transfer, nst.models.store.resolve, nst.cli.main, nst.cli.commands.stylize, nst.conformance
print(bad)
"""
    done = python("-c", hook)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
