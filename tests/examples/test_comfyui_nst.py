"""examples/comfyui-nst: what ComfyUI asks of a node, and the pictures that `nst.stylize` makes.

ComfyUI is no package. Its modules are those of the folder that NST_COMFYUI names, or stand-ins with the signatures of
comfy_api/latest/_io.py, comfy/utils.py and comfy/model_management.py (November 2026).
"""

import asyncio
import inspect
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import nst

CHOICE = {"strength": 0.6, "stroke_size": 1.0, "color": "none", "size": 48, "steps": 4, "seed": 3}
OPTIONS = {"style_strength": 0.6, "size": 48, "steps": 4, "seed": 3, "backend": "torch", "device": "cpu"}


def socket(kind, **more):
    """The type of an input and an output: `extra` are the arguments of a widget."""

    class Input:
        def __init__(self, name, display_name=None, optional=False, tooltip=None, **extra):
            assert extra.keys() <= more.keys(), f"{kind} takes no {extra.keys() - more.keys()}"
            assert all(isinstance(value, more[name]) for name, value in extra.items()), extra
            if kind == "COMBO":
                assert extra["default"] in extra["options"]
            if {"min", "max"} <= extra.keys():
                assert extra["min"] <= extra["default"] <= extra["max"]
            self.id, self.optional = name, optional
            vars(self).update(extra)

        def get_io_type(self):
            return kind

    class Output:
        def __init__(self, name=None, display_name=None, tooltip=None, is_output_list=False):
            self.id = name

        def get_io_type(self):
            return kind

    return SimpleNamespace(Input=Input, Output=Output)


class Template:
    def __init__(self, repeated, names, min=1):  # noqa: A002
        assert repeated.get_io_type() in ("IMAGE", "MASK")
        assert 0 <= min <= len(names) <= 100
        self.input, self.names, self.min = repeated, names, min


class Schema:
    def __init__(self, node_id, display_name, category, inputs, outputs, description=""):
        self.node_id, self.inputs, self.outputs = node_id, inputs, outputs
        ids = [one.id for one in inputs]
        assert len(set(ids)) == len(ids)


class ComfyNode:
    @classmethod
    def GET_SCHEMA(cls):  # noqa: N802
        return cls.define_schema()


class NodeOutput:
    def __init__(self, *args, ui=None, expand=None, block_execution=None):
        self.args = args


def stand_ins():
    """name -> module."""
    number = {"min": (int, float), "max": (int, float), "default": (int, float), "step": float}
    io = SimpleNamespace(
        ComfyNode=ComfyNode,
        Schema=Schema,
        NodeOutput=NodeOutput,
        Image=socket("IMAGE"),
        Mask=socket("MASK"),
        Float=socket("FLOAT", **number),
        Int=socket("INT", **number, control_after_generate=bool),
        Combo=socket("COMBO", options=list, default=str),
        Autogrow=SimpleNamespace(
            Input=socket("COMFY_AUTOGROW_V3", template=Template).Input, TemplateNames=Template
        ),
    )
    names = ("comfy", "comfy.utils", "comfy.model_management", "comfy_api", "comfy_api.latest")
    modules = {name: ModuleType(name) for name in names}
    comfy, utils, management, _, latest = modules.values()
    comfy.utils, comfy.model_management = utils, management
    latest.io, latest.ComfyExtension = io, type("ComfyExtension", (), {})

    class ProgressBar:
        def __init__(self, total, node_id=None):
            self.total = total

        def update_absolute(self, value, total=None, preview=None):
            self.total = total or self.total
            if utils.hook is not None:
                utils.hook(min(value, self.total), self.total, preview, node_id=None)

    class InterruptProcessingException(Exception):  # noqa: N818
        pass

    def throw():
        if management.interrupted:
            management.interrupted = False
            raise InterruptProcessingException

    def device():
        import torch

        return torch.device("cpu")

    utils.ProgressBar, utils.hook = ProgressBar, None
    utils.set_progress_bar_global_hook = lambda hook: setattr(utils, "hook", hook)
    management.interrupted, management.InterruptProcessingException = False, InterruptProcessingException
    management.interrupt_current_processing = lambda value=True: setattr(management, "interrupted", value)
    management.throw_exception_if_processing_interrupted = throw
    management.get_torch_device = device
    return modules


@pytest.fixture
def comfyui(root, need, small_network, monkeypatch):
    """The example as ComfyUI loads it, with a small network; and the modules that it finds there."""
    need("torch")
    if "NST_COMFYUI" in os.environ:
        monkeypatch.syspath_prepend(os.environ["NST_COMFYUI"])
    else:
        for name, module in stand_ins().items():
            monkeypatch.setitem(sys.modules, name, module)
    path = root / "examples" / "comfyui-nst" / "__init__.py"
    spec = spec_from_file_location("comfyui_nst", path, submodule_search_locations=[str(path.parent)])
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(nst, "resolve_weights", lambda name: small_network)
    yield module
    module.utils.set_progress_bar_global_hook(None)


@pytest.fixture
def node(comfyui):
    """The class, found by the way that ComfyUI takes."""
    extension = asyncio.run(comfyui.comfy_entrypoint())
    (found,) = asyncio.run(extension.get_node_list())
    return found


@pytest.fixture
def photographs(pictures):
    """(B, H, W, C) as ComfyUI's loader makes it: two pictures."""
    return batch(pictures.content, pictures.rgba)


def batch(*paths):
    import torch

    arrays = [np.asarray(Image.open(path).convert("RGB"), np.float32) / 255 for path in paths]
    return torch.from_numpy(np.stack(arrays))


def ran(node, **inputs):
    """As ComfyUI calls it, which wants no gradients of anybody."""
    import torch

    with torch.inference_mode():
        (result,) = node.execute(**CHOICE, **inputs).args
    return result


def test_each_input_is_an_argument_and_has_its_type(node):
    schema = node.GET_SCHEMA()
    types = {one.id: one.get_io_type() for one in schema.inputs}
    assert list(inspect.signature(node.execute).parameters) == list(types)
    kinds = "IMAGE COMFY_AUTOGROW_V3 FLOAT FLOAT COMBO INT INT INT COMFY_AUTOGROW_V3 MASK"
    names = "image styles strength stroke_size color size steps seed masks protect"
    assert types == dict(zip(names.split(), kinds.split(), strict=True))
    assert [one.get_io_type() for one in schema.outputs] == ["IMAGE"]
    styles, masks = (one.template for one in schema.inputs if one.id in ("styles", "masks"))
    assert (styles.min, styles.names) == (1, ["style1", "style2", "style3", "style4"])
    assert (masks.min, masks.input.optional) == (0, True)


def test_a_batch_is_what_stylize_makes_of_each_picture(node, photographs, pictures, small_network):
    import torch

    style = batch(pictures.style)
    result = ran(node, image=photographs, styles={"style1": style}, masks={}, protect=None)
    assert result.shape == (2, 36, 48, 3)
    assert result.dtype == torch.float32
    assert 0 <= result.min() < result.max() <= 1
    for picture, painted in zip(photographs, result, strict=True):
        alone = nst.stylize(picture.movedim(-1, 0), style[0].movedim(-1, 0), weights=small_network, **OPTIONS)
        torch.testing.assert_close(painted, alone.movedim(0, -1), atol=1e-5, rtol=0)


def test_masks_give_each_painting_its_part_and_keep_what_is_protected(node, photographs, pictures):
    import torch

    left, bottom = torch.zeros(1, 24, 32), torch.zeros(1, 24, 32)
    left[:, :, :16] = 1
    bottom[:, 12:] = 1
    both = {"style1": batch(pictures.style), "style2": batch(pictures.other)}
    plain = ran(node, image=photographs[:1], styles=both)
    parted = ran(node, image=photographs[:1], styles=both, masks={"mask1": left})
    kept = ran(node, image=photographs[:1], styles=both, protect=bottom)
    black = ran(node, image=photographs[:1], styles=both, protect=0 * bottom)
    assert (parted - plain).abs().max() > 0.05
    photograph = torch.nn.functional.interpolate(
        photographs[:1].movedim(-1, 1), size=(36, 48), mode="bicubic", antialias=True
    ).movedim(1, -1)
    assert (kept - photograph)[:, 30:].abs().mean() < 0.02 < (plain - photograph)[:, 30:].abs().mean()
    assert torch.equal(black, plain)


def test_a_style_socket_with_a_batch_is_so_many_paintings(node, photographs, pictures):
    import torch

    apart = {"style1": batch(pictures.content), "style2": batch(pictures.rgba)}
    together = {"style1": batch(pictures.content, pictures.rgba)}
    one, other = (ran(node, image=photographs[:1], styles=styles) for styles in (apart, together))
    assert torch.equal(one, other)


def test_the_bar_goes_through_all_pictures_and_shows_them(comfyui, node, photographs, pictures):
    from comfy import utils

    told = []
    utils.set_progress_bar_global_hook(
        lambda value, total, preview, **_: told.append((value, total, preview))
    )
    ran(node, image=photographs, styles={"style1": batch(pictures.style)})
    values = [value for value, _, _ in told]
    assert values == sorted(values)
    assert (values[0], told[-1][:2]) == (0, (8, 8))
    previews = [preview for *_, preview in told if preview]
    assert len(previews) == 2  # of the first step of each
    for kind, image, _ in previews:
        assert (kind, image.mode) == ("JPEG", "RGB")


def test_interrupting_ends_it_within_a_step(comfyui, node, photographs, pictures):
    from comfy import model_management, utils

    told = []

    def hook(value, total, preview, **_):
        told.append(value)
        if value == 2:
            model_management.interrupt_current_processing()

    utils.set_progress_bar_global_hook(hook)
    with pytest.raises(model_management.InterruptProcessingException):
        ran(node, image=photographs, styles={"style1": batch(pictures.style)})
    assert told[-1] == 2


def test_an_overshoot_of_a_filter_is_taken_and_a_mistake_is_one_line(node, photographs, pictures):
    style = {"style1": batch(pictures.style)}
    assert ran(node, image=photographs[:1] * 1.02 - 0.01, styles=style).max() <= 1
    with pytest.raises(nst.SettingsError, match="mask style2: there are 1 style") as raised:
        ran(node, image=photographs, styles=style, masks={"mask2": photographs[..., 0]})
    assert "\n" not in str(raised.value)
