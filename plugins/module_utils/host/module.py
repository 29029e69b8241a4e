# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host modules have in common: the argument spec, the one place where errors become results."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..errors import OvercError, with_next_step
from ..redact import redact, redact_all
from ..runner import ModuleRunner
from ..values import whole_number
from . import session
from .observe.layout import LAYOUT_SPEC, check_name, layout_from

if t.TYPE_CHECKING:
    from ..runner import Runner


class _HostModule(AnsibleModule):
    """Looks at what Ansible's own conversion would end in a traceback for: numbers, and mappings that are none.

    What cannot be meant is kept in ``refused`` and replaced by the default.
    """

    refused: OvercError | None = None

    def _load_params(self) -> None:
        super()._load_params()  # type: ignore[no-untyped-call]
        for name, option in self.argument_spec.items():
            value = self.params.get(name)
            try:
                if value is not None and option.get("type") == "int":
                    self.params[name] = whole_number(name, value)
                elif value is not None and "options" in option and not isinstance(value, (dict, str)):
                    raise OvercError(
                        "bad_argument", f"{name}: a {type(value).__name__} is no mapping. Nothing was changed."
                    )
            except OvercError as error:
                self.refused = error
                del self.params[name]


Body = t.Callable[["Runner", dict[str, t.Any], bool], dict[str, t.Any]]


def run_module(spec: t.Mapping[str, t.Any], body: Body) -> None:
    """Build the module, run ``body(runner, params, check_mode)``, exit. No exception leaves here as a traceback."""
    module = _HostModule(argument_spec=dict(spec), supports_check_mode=True)  # type: ignore[no-untyped-call]
    if module.refused:
        _fail(module, module.refused)
        return
    try:
        result = body(ModuleRunner(module), module.params, module.check_mode)
    except OvercError as error:
        _fail(module, error)
        return
    except Exception as error:  # noqa: BLE001 - the last line of defence against a traceback
        _fail(module, OvercError("internal", f"{type(error).__name__}: {error}. Please report this as a defect."))
        return
    for warning in result.pop("warnings", ()):
        module.warn(redact(warning))
    if not getattr(module, "_diff", False):
        result.pop("diff", None)
    module.exit_json(**redact_all(result))


def run_host_module(
    name: str,
    command: t.Callable[[session.Host, dict[str, t.Any]], dict[str, t.Any]],
    options: t.Mapping[str, t.Any] | None = None,
    *,
    reads_only: bool = False,
    first: t.Callable[[Runner, dict[str, t.Any]], dict[str, t.Any]] | None = None,
) -> None:
    """A module for one command of ``host``. What takes its time without the host's lock is done ``first``, and what that
    returns is a part of the result.
    """

    def body(runner: Runner, params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
        found = first(runner, params) if first else {}
        result = session.run(
            runner,
            layout_from(params),
            name,
            lambda at: command(at, params),
            check_mode=check_mode,
            reads_only=reads_only,
        )
        return {**result, **found}

    run_module({**LAYOUT_SPEC, **(options or {})}, body)


def _fail(module: AnsibleModule, error: OvercError) -> None:
    facts = {key: value for key, value in error.facts.items() if key not in ("msg", "error_id", "notes", "changed")}
    # A refusal changes nothing; but what it found interrupted was repaired before, and a switch is not taken back
    changed = bool(error.facts.get("changed") or error.facts.get("repaired"))
    for note in error.facts.get("notes", ()):
        module.warn(redact(note))
    message = redact(with_next_step(error.error_id, error.message))
    module.fail_json(msg=message, error_id=error.error_id, changed=changed, **redact_all(facts))


def check_package_names(option: str, names: t.Sequence[str]) -> tuple[str, ...]:
    """Package names (globs allowed) that no package manager could take for an option or two words."""
    for name in names:
        check_name(
            option, name.replace("*", "x").replace("?", "x").replace(":", "x").replace("~", "x").replace("^", "x")
        )
    return tuple(names)


__all__ = ("check_package_names", "run_host_module", "run_module")
