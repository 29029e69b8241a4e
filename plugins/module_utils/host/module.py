# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host modules have in common: the options of the layout, a runner, and one command alone on the host."""

from __future__ import annotations

import typing as t

from ..module_entry import run_entry
from ..people import plural
from ..redact import redact, redact_all
from ..runner import ModuleRunner, both_ends
from ..system import job
from . import session
from .brief import FULL_SPEC, brief
from .observe.layout import LAYOUT_SPEC, check_name, layout_from

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ..runner import Runner

# Warnings of package managers are passed on, and a script may make any number of them, and of any length
_MOST: t.Final = 100
_LONGEST: t.Final = 2_000  # characters

Short = t.Callable[[t.Mapping[str, t.Any]], dict[str, t.Any]]
Body = t.Callable[["Runner", dict[str, t.Any], bool], dict[str, t.Any]]


def run_module(spec: t.Mapping[str, t.Any], body: Body, *, short: Short = brief) -> None:
    """A module around ``body(runner, params, check_mode)``; its ``warnings`` become Ansible's. It has the option ``full``;
    without that ``short`` makes a result of it that fits a screen.
    """

    def command(module: AnsibleModule) -> dict[str, t.Any]:
        result = body(ModuleRunner(module), module.params, module.check_mode)
        warnings = list(dict.fromkeys(result.pop("warnings", ())))
        for warning in warnings[:_MOST]:
            module.warn(redact(both_ends(warning, _LONGEST)))
        if len(warnings) > _MOST:
            module.warn(f"{plural(len(warnings) - _MOST, 'more warning')} of the same run.")
        shown: dict[str, t.Any] = redact_all(result)
        return shown

    def shown(module: AnsibleModule, result: dict[str, t.Any]) -> dict[str, t.Any]:
        """What fits a screen, unless all is asked for, by the option or with ``-v``."""
        whole = module.params.get("full") or getattr(module, "_verbosity", 0)
        return result if whole else short(result)

    run_entry({**spec, **FULL_SPEC}, command, shown=shown, begin=job.enter)


def run_host_module(
    name: str,
    command: t.Callable[[session.Host, dict[str, t.Any]], dict[str, t.Any]],
    options: t.Mapping[str, t.Any] | None = None,
    *,
    reads_only: bool = False,
    short: Short = brief,
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

    run_module({**LAYOUT_SPEC, **(options or {})}, body, short=short)


def check_package_names(option: str, names: t.Sequence[str]) -> tuple[str, ...]:
    """Package names (globs allowed) that no package manager could take for an option or two words."""
    for name in names:
        check_name(
            option, name.replace("*", "x").replace("?", "x").replace(":", "x").replace("~", "x").replace("^", "x")
        )
    return tuple(names)


__all__ = ("check_package_names", "run_host_module", "run_module")
