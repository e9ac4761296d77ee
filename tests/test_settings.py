"""`Settings`: what is refused, what the fields carry, and everything that is held to them."""

import ast
import inspect
import re
from dataclasses import MISSING, fields
from typing import get_args, get_type_hints

import pytest

import nst
import nst.settings as words
from nst.arguments import (
    ControlArguments,
    InvertArguments,
    SettingsArguments,
    StylizeArguments,
    TextureArguments,
    TransferArguments,
)
from nst.backends.selection import PRECISIONS as PRECISIONS_OF_BACKENDS
from nst.cli.commands.recolor import recolor
from nst.cli.options import PAINTING, default_of, option_name
from nst.control import Control
from nst.engine.weighting import kind_of
from nst.errors import SettingsError
from nst.losses.style_statistics import STYLE_LOSSES
from nst.optim import OPTIMIZERS
from nst.pictures.color import MODES
from nst.settings import CONTENT_LAYERS, STYLE_LAYERS, Settings, make_settings, rule_of, style_shares
from nst.transfer import ARGUMENTS, StyleTransfer
from nst.video.transfer import VideoArguments, VideoTransfer

FIELDS = {declared.name: declared for declared in fields(Settings)}

PRECISIONS = "it must be auto, fastest, fp32, bf16, fp16, or a list of fp32, bf16 and fp16, one a size"
REFUSED = [
    # these went through a class that said it checks every choice
    (
        {"color": "mauve"},
        "color is 'mauve': it must be none, luminance, match-chol, match-pca, match-sym, histogram, ",
    ),
    ({"color_strength": 7}, "color strength is 7: it must be a number from 0 to 1"),
    ({"color_when": "never"}, "color when is 'never': it must be before or after"),
    (
        {"init": "nonsense"},
        "init is 'nonsense': it must be content, noise, style, statistics, or one of your own",
    ),
    ({"tuned_for": "xyz"}, "tuned for is 'xyz': it must be caffe, normalised, torchvision or other"),
    ({"means": "tv"}, "means is 'tv': it must be a list of content and tv, or of one or none of them"),
    ({"tv_power": True}, "tv power is True: it must be 1 or 2"),
    ({"rate": 10**400}, "rate is 1000"),  # an OverflowError before: no float holds it
    # and these did not
    ({"tv_weight": -1}, "tv weight is -1: it must be a number, 0 or more"),
    ({"balance": 0}, "balance is 0: it must be a number above 0"),
    ({"style_scale": 17}, "style scale is 17: it must be a number above 0, at most 16"),
    ({"average": 1}, "average is 1: it must be a number, 0 or more, below 1"),
    ({"size": 65537}, "size is 65537: it must be content, or an integer from 1 to 65536"),
    ({"size": None}, "size is None: it must be content, or an integer from 1 to 65536"),
    ({"size": "own"}, "size is 'own': it must be content, or"),
    ({"seed": 2**64}, "seed is 18446744073709551616: it must be an integer from 0 to 18446744073709551615"),
    ({"history": 0}, "history is 0: it must be an integer, 1 or more"),
    ({"smoothing": 1}, "smoothing is 1: it must be true or false"),
    ({"steps": ()}, r"steps is (): it must be a number of steps, 0 or more, or a list such as 200,100,50"),
    ({"steps": None}, "steps is None: it must be a number of steps"),
    ({"scales": (128, 0)}, "scales is (128, 0): it must be auto, a number of scales, or a list of sizes"),
    ({"scales": "all"}, "scales is 'all'"),
    ({"tile": (64, 64)}, "tile is (64, 64): it must be auto, off, or a number of pixels"),
    ({"tile": 0}, "tile is 0"),
    (
        {"style_weights": (0, 0)},
        "style weights is (0, 0): it must be a list of numbers, 0 or more, not all zero",
    ),
    ({"style_weights": 1.0}, "style weights is 1.0: it must be a list of numbers"),
    ({"precision": "fp64"}, f"precision is 'fp64': {PRECISIONS}"),
    ({"precision": ()}, f"precision is (): {PRECISIONS}"),
    ({"precision": ("bf16", "auto")}, f"precision is ('bf16', 'auto'): {PRECISIONS}"),
    ({"precision": ("...", "fp32")}, f"precision is ('...', 'fp32'): {PRECISIONS}"),
    (
        {"precision": ("bf16", "...", "fp32", "...")},
        "precision is ('bf16', '...', 'fp32', '...'): it must be",
    ),
    ({"precision": ("bf16", 32)}, f"precision is ('bf16', 32): {PRECISIONS}"),
    ({"precision": (["bf16"],)}, f"precision is (['bf16'],): {PRECISIONS}"),
    ({"content_layers": "conv4_2"}, "content layers is 'conv4_2': it must be layers with their weights"),
    ({"style_layers": {"conv1_1": 0}}, "style layers is {'conv1_1': 0}: it must be not all zero"),
    ({"style_layers": {}, "content_weight": 0}, "no loss takes part: give content or style"),
]


@pytest.mark.parametrize(("wrong", "cause"), REFUSED, ids=[str(wrong)[:40] for wrong, _ in REFUSED])
def test_what_is_refused(wrong, cause):
    for make in (Settings, make_settings):
        with pytest.raises(SettingsError) as error:
            make(**wrong)
        assert str(error.value).startswith(cause)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "right",
    [
        {"steps": (200, 100, "...")}, {"steps": 0}, {"steps": (0, 5)}, {"scales": (128, 256)}, {"tile": "off"},
        {"style_scale": 16}, {"average": 0}, {"size": 65536}, {"size": "content"},
        {"seed": 2**64 - 1}, {"means": ("content", "tv")}, {"init": "picture"}, {"optimizer": "custom"},
        {"precision": ("bf16",)}, {"precision": ("fp16", "bf16", "...", "fp32")}, {"precision": "fastest"},
        {"style_weights": (0, 3)}, {"tuned_for": "caffe"}, {"style_strength": 0},
        {"color": "lab", "color_when": "after", "color_strength": 1},
    ],
    ids=str,
)  # fmt: skip
def test_the_ends_of_the_ranges_are_allowed(right):
    settings = Settings(**right)
    assert {name: getattr(settings, name) for name in right} == right


def test_the_defaults_are_the_papers_layers():
    settings = Settings()
    assert settings.content_layers == {"conv4_2": 1.0}
    assert settings.style_layers == dict.fromkeys(STYLE_LAYERS, 0.2)
    assert settings.layers == ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2", "conv5_1")
    assert Settings().style_layers is not settings.style_layers


def test_no_style_picture():
    assert style_shares(None, 0, needed=False) == []
    with pytest.raises(SettingsError, match="no style picture"):
        style_shares(None, 0)


# what is held to the fields


def test_the_registries_have_exactly_the_words():
    assert tuple(STYLE_LOSSES) == words.STYLE_LOSSES
    assert tuple(OPTIMIZERS) == words.OPTIMIZERS
    assert tuple(MODES) == words.COLORS
    assert {time for times in MODES.values() for time in times} == set(words.COLOR_TIMES)
    colors = next(parameter.type.choices for parameter in recolor.params if parameter.name == "color")
    assert set(colors) == {mode for mode, times in MODES.items() if mode != "none" and "after" in times}
    assert set(words.PRECISIONS) - {"auto", "fastest"} < set(PRECISIONS_OF_BACKENDS)
    kinds = {
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(kind_of)).body[0].body[-1])
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert kinds <= set(words.NETWORK_KINDS)


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_says_what_it_is(name):
    rule = rule_of(FIELDS[name])
    assert rule.help[0].isupper() or rule.help[0].isdigit()
    assert rule.help.endswith(".")
    assert not re.match("(Of|What|Where|Whether|Which|How) ", rule.help)
    assert f"\n        {name}: {rule.help} Takes {rule.want}" in Settings.__doc__
    if rule.kind == "word" and rule.read is None:
        typed = get_args(get_type_hints(Settings)[name])
        listed = [word for one in typed or () for word in (get_args(one) or (one,)) if word is not type(None)]
        assert [word for word in listed if word not in ("custom", "picture")] == list(rule.words)
    if rule.none:
        assert "None" in str(FIELDS[name].type)


def signature(function):
    """name -> annotation of what it takes by name."""
    return {
        name: parameter.annotation
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def test_the_types_of_the_arguments_are_those_of_the_fields():
    """A new field fails here, with the line that nst/arguments.py lacks."""
    own = signature(StyleTransfer.__init__)
    assert {*FIELDS, *own} == ARGUMENTS

    def typed(annotation):
        return re.sub(r"tuple\[(.*), \.\.\.\]", r"Sequence[\1]", annotation)

    wanted = {name: typed(declared.type) for name, declared in FIELDS.items() if name not in own}

    def given(arguments):
        return {name: hint.__forward_arg__ for name, hint in arguments.__annotations__.items()}

    typed_for_checkers = given(SettingsArguments)
    lacking = [f"{name}: {hint}" for name, hint in wanted.items() if typed_for_checkers.get(name) != hint]
    assert not lacking, f"class _Always of nst/arguments.py lacks {'; '.join(lacking)}"
    assert typed_for_checkers == wanted
    assert given(TransferArguments) == wanted | own
    assert given(VideoArguments) == wanted | own | signature(VideoTransfer.__init__)
    layers = {"content_layers": own["content_layers"], "style_layers": own["style_layers"]}
    control = {
        name: declared.type for name, declared in Control.__dataclass_fields__.items() if name[0] != "_"
    }
    assert (
        given(ControlArguments)
        == control
        == signature(StyleTransfer.paint) | {"callback": control["callback"]}
    )
    assert given(StylizeArguments) == wanted | own | control
    assert given(InvertArguments) == control | {k: v for k, v in (wanted | own).items() if k not in layers}
    texture = {k: v for k, v in (wanted | own).items() if k not in ("content_layers", "size")}
    assert given(TextureArguments) == control | texture | {"style_scale": "float | None"}


def test_a_setting_that_has_left_says_what_to_use_and_its_default_is_none():
    layers = {"content_layers": {"conv4_2": 1.0}, "style_layers": {}}
    assert make_settings(**layers, style_power=0.0) == make_settings(
        **layers
    )  # as pictures of before have it
    with pytest.raises(SettingsError, match=r"^style_power is no setting any more: multiply the weights of"):
        nst.stylize("photo.jpg", "painting.jpg", style_power=-2)


def test_an_unknown_argument_names_the_nearest(pictures, small_network):
    for wrong, right in (
        ("stepz", "steps"),
        ("bakend", "backend"),
        ("wieghts", "weights"),
        ("colour", "color"),
    ):
        for paint in (nst.stylize, nst.StyleTransfer):
            with pytest.raises(
                SettingsError, match=f"^unknown setting '{wrong}': did you mean '{right}'\\?$"
            ):
                paint(pictures.content, pictures.style, **{wrong: 1})
    for paint, wrong, right in (
        (nst.stylize, "deadlin", "deadline"),
        (nst.stylize, "call_back", "callback"),
        (nst.texture, "cancle", "cancel"),
        (nst.texture, "sise", "size"),
        (nst.invert, "layers", "layer"),
        (nst.invert, "progres", "progress"),
    ):
        with pytest.raises(SettingsError, match=f"^unknown setting '{wrong}': did you mean '{right}'\\?$"):
            paint(pictures.content, pictures.style, **{wrong: 1})
    with pytest.raises(SettingsError) as raised:
        nst.stylize(pictures.content, pictures.style, verbose=True)
    assert str(raised.value).startswith("unknown setting 'verbose': the nearest are ")
    assert str(raised.value).count(", ") == 4
    with pytest.raises(SettingsError, match=r"^deadline is no setting: give it to paint\(\) or run\(\)$"):
        nst.StyleTransfer(pictures.content, pictures.style, deadline=3)
    with pytest.raises(SettingsError, match="did you mean 'memory'"):
        nst.invert(pictures.content, memori=1)
    with pytest.raises(SettingsError, match="did you mean 'next_steps'"):
        VideoTransfer(pictures.content, pictures.style, next_stepz=3)
    with pytest.raises(SettingsError, match="the nearest are "):
        nst.stylize(pictures.content, pictures.style, qqq=3)
    with pytest.raises(SettingsError, match="did you mean 'style_scale'"):
        make_settings(style_scales=3)


# the table of docs/command-line.md


def shown(name):
    """The default of an option as the page has it."""
    rule, default = rule_of(FIELDS[name]), default_of(FIELDS[name])
    if default is None:
        return rule.none
    if rule.kind == "flag":
        return "on" if default else "off"
    return f"`{default}`" if isinstance(default, str) else f"{default:.9g}"


def test_the_table_in_the_readme_has_every_option_and_its_default(root):
    rows = re.findall(
        r"^\| (`--.*?) \| (.*?) \| (.*) \|$", (root / "docs" / "command-line.md").read_text(), re.MULTILINE
    )
    listed = {}
    for options, defaults, meaning in rows:
        assert meaning
        names, values = options.split(", "), defaults.split(", ")
        if len(names) == len(values):
            listed |= dict(zip(names, values, strict=True))
    rules = {name: rule_of(declared) for name, declared in FIELDS.items() if rule_of(declared).group}
    lacking = [
        f"| `{option_name(name)}` | {shown(name)} | {rule.help} |"
        for name, rule in rules.items()
        if listed.get(f"`{option_name(name)}`") != shown(name)
    ]
    assert not lacking, f"the table of docs/command-line.md lacks {'; '.join(lacking)}"


def test_the_groups_of_options(command):
    groups = {rule_of(declared).group for declared in FIELDS.values()}
    assert groups == {*PAINTING, "masks", ""}
    assert not groups & (set(FIELDS) - {"size"})
    assert tuple(default_of(FIELDS["content_layers"]).split(",")) == CONTENT_LAYERS
    assert all(one.default is not MISSING or one.default_factory is not MISSING for one in FIELDS.values())


HIDDEN = {
    "texture": "content-layers content-weight style-strength color color-strength color-when feather",
    "invert": "content-layers style-layers style-weight style-loss style-weights style-scale style-strength color "
    "color-strength color-when feather",
    "experiment run": "trace feather mask preset",
    "stylize": "means tuned-for tv-power",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_command_has_the_options_that_it_asks_for(name, command):
    page = command(*name.split(), "--help" if name == "experiment run" else "--help-all").stdout
    assert not [option for option in HIDDEN[name].split() if f"--{option} " in page]
    for option in ("balance", "steps", "pooling", "seed", "precision", "backend", "quiet"):
        assert f"--{option}" in page
    assert "[default: 0.02; above 0]" in " ".join(page.split())


def test_the_reading_of_lists_on_the_command_line():
    def read(name, text):
        return rule_of(FIELDS[name]).read(text)

    assert read("steps", "300") == 300
    assert read("steps", "200,100,...") == (200, 100, "...")
    assert read("steps", "200 100") == (200, 100)
    assert read("scales", "auto") == "auto"
    assert read("scales", "128,256") == (128, 256)
    assert read("scales", "3") == 3
    assert read("style_weights", "1") == (1.0,)
    assert read("tile", "512") == 512
    assert read("precision", "bf16") == "bf16"
    assert read("precision", "bf16,...,fp32") == ("bf16", "...", "fp32")
    for name, text in (
        ("tile", "3,4"),
        ("tile", "x"),
        ("steps", "..."),
        ("scales", ""),
        ("style_weights", "a"),
        ("precision", ""),
        ("precision", "bf16,bfloat"),
        ("precision", "auto,fp32"),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            read(name, text)


@pytest.mark.parametrize("scales", [512, (512,), (128, 512), "auto"])
def test_a_list_of_sizes_is_read_as_it_is_written(scales):
    """`nst show` prints commands: a list of one size is no number of sizes."""
    from nst.cli.options import as_typed

    read = rule_of(FIELDS["scales"]).read
    assert read(str(as_typed(scales))) == scales
