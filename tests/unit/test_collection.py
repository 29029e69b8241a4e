# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written about the collection in several places says the same in each of them."""

from __future__ import annotations

import ast
import importlib
import inspect
import typing as t
from pathlib import Path
from unittest import mock

import pytest
import yaml  # type: ignore[import-untyped]
from ansible.module_utils import basic
from ansible_collections.overc.system.plugins.module_utils.errors import ERROR_IDS

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py") if path.stem != "__init__")
SOURCES = sorted(path for path in PLUGINS.rglob("*.py") if "__pycache__" not in path.parts)
DEFAULTS: t.Final = {"type": "str", "required": False, "default": None, "choices": None, "elements": None}


def load(name: str) -> t.Any:
    return importlib.import_module(f"ansible_collections.overc.system.plugins.{name}")


def documentation(module: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] = yaml.safe_load(load(f"modules.{module}").DOCUMENTATION)
    return found


def fragment(name: str) -> dict[str, t.Any]:
    collection, _prefix, rest = name.partition("overc.system.")
    assert not collection, name
    file, _dot, variant = rest.partition(".")
    text = getattr(load(f"doc_fragments.{file}").ModuleDocFragment, (variant or "documentation").upper())
    found: dict[str, t.Any] = yaml.safe_load(text)
    return found


def documented_options(module: str) -> dict[str, dict[str, t.Any]]:
    own = documentation(module)
    options: dict[str, dict[str, t.Any]] = dict(own.get("options") or {})
    for name in own["extends_documentation_fragment"]:
        options.update(fragment(name).get("options") or {})
    return options


class _SpecSeen(Exception):
    pass


def specified_options(module: str) -> dict[str, dict[str, t.Any]]:
    """What the module really hands to AnsibleModule."""
    seen: dict[str, t.Any] = {}

    def spy(*_args: object, **kwargs: t.Any) -> t.NoReturn:
        seen.update(kwargs)
        raise _SpecSeen

    # Modules of different rooms get hold of the class under different names: stop at its own constructor.
    with mock.patch.object(basic.AnsibleModule, "__init__", spy), pytest.raises(_SpecSeen):
        load(f"modules.{module}").main()
    assert seen["supports_check_mode"] is True
    options: dict[str, dict[str, t.Any]] = seen["argument_spec"]
    return options


# --- lists of modules -------------------------------------------------------------------------------------------------


def test_action_group_has_exactly_the_modules() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    # The group's defaults are for the layout, of which these know nothing
    others = ("overc_host_health", "overc_options", "overc_report", "overc_wait")
    assert runtime["action_groups"] == {"overc": [name for name in MODULES if name not in others]}


def test_action_plugins_belong_to_modules_that_reboot_work_here_or_let_people_wait() -> None:
    here = ("overc_host_health", "overc_options", "overc_report", "overc_wait")
    wanted = [name for name in MODULES if "reboot" in documented_options(name) or name in here]
    assert sorted(path.stem for path in (PLUGINS / "action").glob("overc_*.py")) == wanted
    for name in wanted:
        assert load(f"action.{name}").ActionModule.module == f"overc.system.{name}"


def test_every_filter_is_documented() -> None:
    """Beside them: one file holds them all."""
    filters = load("filter.fleet").FilterModule().filters()
    assert {path.stem for path in (PLUGINS / "filter").glob("*.yml")} == set(filters)
    for name, function in filters.items():
        page = yaml.safe_load((PLUGINS / "filter" / f"{name}.yml").read_text())["DOCUMENTATION"]
        # A filter's own input, after what Ansible gives to those that ask for it
        parameters = [given for given in inspect.signature(function).parameters if given != "context"][1:]
        assert page.get("positional", "") == ", ".join(parameters)
        assert set(page["options"]) == {"_input", *parameters}


def test_galaxy_and_runtime() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    assert (galaxy["namespace"], galaxy["name"], galaxy["license"]) == ("overc", "system", ["GPL-3.0-or-later"])
    assert (ROOT / galaxy["readme"]).is_file()
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())
    assert runtime["requires_ansible"] == ">=2.19.0"
    for name in MODULES:
        assert documentation(name)["version_added"] in ("0.1.0", galaxy["version"])


# --- the documentation of each module ---------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_documentation_parses(module: str) -> None:
    own = documentation(module)
    assert own["module"] == module
    assert own["short_description"]
    assert not own["short_description"].endswith(".")
    assert all(sentence.endswith((".", ":")) for sentence in own["description"]), own["description"]
    tasks = yaml.safe_load(load(f"modules.{module}").EXAMPLES)
    assert tasks
    assert all(any(key.startswith("overc.system.") or "." in key for key in task) for task in tasks)
    assert any(f"overc.system.{module}" in task for task in tasks), "an example of this very module, by its full name"
    returned = yaml.safe_load(load(f"modules.{module}").RETURN)
    assert all({"description", "returned", "type"} <= set(entry) for entry in returned.values())


@pytest.mark.parametrize("module", MODULES)
def test_options_are_what_is_documented(module: str) -> None:
    documented, specified = documented_options(module), specified_options(module)
    assert set(documented) == set(specified)
    for name, option in specified.items():
        for key, default in DEFAULTS.items():
            assert documented[name].get(key, default) == option.get(key, default), f"{name}.{key}"


@pytest.mark.parametrize("module", MODULES)
def test_examples_use_options_that_exist(module: str) -> None:
    for task in yaml.safe_load(load(f"modules.{module}").EXAMPLES):
        for name in MODULES:
            used = set(task.get(f"overc.system.{name}") or {})
            assert used <= set(documented_options(name)), name


# --- error ids --------------------------------------------------------------------------------------------------------


def _constants(node: ast.expr) -> t.Iterator[str]:
    """The strings an expression can be: a literal, or a choice between some."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _constants(value)


def _literals(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def raised_ids() -> set[str]:
    """First arguments of OvercError, and error ids that are written into results directly."""
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "OvercError" and node.args:
                found.update(_constants(node.args[0]))
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "error_id":
                        found.update(_constants(value))
            elif isinstance(node, ast.keyword) and node.arg == "error_id":
                found.update(_constants(node.value))
    return found


def test_only_declared_error_ids_are_raised() -> None:
    found = raised_ids()
    assert len(found) > 10, "the scan sees something"
    assert not found - set(ERROR_IDS)


def test_every_declared_error_id_is_used() -> None:
    """Somewhere a literal: also ids that reach OvercError through a variable count."""
    used: set[str] = set()
    for path in SOURCES:
        if path != PLUGINS / "module_utils/errors.py":
            used |= _literals(ast.parse(path.read_text()))
    assert not set(ERROR_IDS) - used


def test_error_ids_are_words_with_a_sentence() -> None:
    for error_id, sentence in ERROR_IDS.items():
        assert error_id.replace("_", "").isalpha()
        assert error_id == error_id.lower()
        assert sentence.endswith(".")
        assert sentence[0].isupper()


def test_undeclared_ids_cannot_be_raised() -> None:
    errors = load("module_utils.errors")
    with pytest.raises(ValueError, match="undeclared"):
        errors.OvercError("no_such_id", "x")


# --- licence ----------------------------------------------------------------------------------------------------------


def test_every_program_names_its_licence() -> None:
    """What has no room for it is covered by REUSE.toml."""
    places = (PLUGINS, ROOT / "bench", ROOT / "scripts", ROOT / "tests")
    programs = [path for place in places for path in place.rglob("*.py") if path.stat().st_size]
    header = "SPDX-License" + "-Identifier: GPL-3.0-or-later\n"  # in two parts: this line is no header
    assert len(programs) > len(SOURCES)
    assert not [str(path) for path in programs if header not in path.read_text()[:400]]
