# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame of every module: the one place where errors become results. No exception leaves here as a traceback."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .errors import OvercError, with_next_step
from .failures import as_error, need_root
from .plain import plain
from .redact import redact, redact_all
from .runner import both_ends
from .values import whole_number

_LONGEST: t.Final = 20_000  # characters of a message: tools' own words are part of it
# What becomes of a module that is to outlive its connection: the name of its work, how many seconds are waited for it, and
# whether it is known to have begun
Begin = t.Callable[[t.Any, t.Any, t.Any], None]


class Module(AnsibleModule):
    """Looks at what Ansible's own conversion would end in a traceback for: numbers, and mappings that are none.

    What cannot be meant is kept in ``refused`` and replaced by the default.
    """

    refused: OvercError | None = None
    _accepted = False

    def __init__(self, begin: Begin | None = None, **given: t.Any) -> None:
        self._begin = begin
        super().__init__(**given)  # type: ignore[no-untyped-call]
        self._accepted = True

    def fail_json(self, msg: str, **more: t.Any) -> t.NoReturn:
        """Ansible's own check of the arguments fails from within the constructor, and knows no ids."""
        if not self._accepted:
            more = {"error_id": "bad_argument", "changed": False, **more}
        super().fail_json(msg, **more)
        raise AssertionError

    def _load_params(self) -> None:
        super()._load_params()  # type: ignore[no-untyped-call]
        # Before anything else: what may have to outlive the connection is not begun on it
        job = self.params.pop("_overc_job", None)
        if self._begin is not None and isinstance(job, dict):
            self._begin(job.get("name"), job.get("wait"), job.get("begun"))
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


def run_entry(
    spec: t.Mapping[str, t.Any],
    command: t.Callable[[Module], dict[str, t.Any]],
    *,
    required_if: t.Sequence[tuple[str, t.Any, tuple[str, ...]]] = (),
    known: t.Callable[[Exception], Exception] = lambda error: error,
    shown: t.Callable[[Module, dict[str, t.Any]], dict[str, t.Any]] = lambda _module, result: result,
    begin: Begin | None = None,
) -> None:
    """Build the module, run the command, exit. ``known`` makes an OvercError of what a room knows better than this;
    ``shown`` is what of a result, or of a failure, is returned; ``begin`` is called before all else where the controller has
    given the run a name.
    """
    module = Module(begin, argument_spec=dict(spec), required_if=list(required_if), supports_check_mode=True)
    if module.refused:
        _fail(module, module.refused, shown)
        return
    try:
        need_root()
        result = command(module)
    except KeyboardInterrupt as error:
        _fail(module, as_error(error), shown)
        return
    except Exception as error:  # noqa: BLE001 - the last line of defence against a traceback
        _fail(module, as_error(known(error)), shown)
        return
    if not getattr(module, "_diff", False):
        result.pop("diff", None)
    module.exit_json(**shown(module, result))


def failure(error: OvercError) -> dict[str, t.Any]:
    """The arguments of fail_json."""
    facts = {key: value for key, value in error.facts.items() if key not in ("msg", "error_id", "notes", "changed")}
    # A refusal changes nothing; but what it found interrupted was repaired before, and a switch is not taken back
    changed = bool(error.facts.get("changed") or error.facts.get("repaired"))
    message = redact(plain(with_next_step(error.error_id, both_ends(error.message, _LONGEST))))
    return {"msg": message, "error_id": error.error_id, "changed": changed, **redact_all(facts)}


def _fail(module: Module, error: OvercError, shown: t.Callable[[Module, dict[str, t.Any]], dict[str, t.Any]]) -> None:
    for note in error.facts.get("notes", ()):
        module.warn(redact(plain(note)))
    module.fail_json(**shown(module, failure(error)))


__all__ = ("Module", "as_error", "failure", "run_entry")
