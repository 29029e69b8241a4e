# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of plugin_utils for playbooks: each filter hands on and turns a FleetError into a sentence."""

from __future__ import annotations

import datetime as dt
import time
import typing as t

from ansible import context
from ansible.errors import AnsibleFilterError
from jinja2 import pass_context

from ..module_utils import values as numbers
from ..module_utils.errors import OvercError
from ..module_utils.host.words import change_line
from ..module_utils.pull.program import window_open
from ..plugin_utils import (
    host_outcome,
    look_record,
    option_kinds,
    overlay_words,
    pull,
    pull_rings,
    record_file,
    report_files,
    role_arguments,
    run_cut,
    run_gate,
    run_plan,
    run_record,
    run_report,
    run_target,
    run_wave,
    verdict_report,
)
from ..plugin_utils.options import ROLES
from ..plugin_utils.secrets import vaulted, without

Hostvars = t.Mapping[str, t.Mapping[str, t.Any]]


def _said(function: t.Callable[..., t.Any], *args: t.Any, **more: t.Any) -> t.Any:
    try:
        return function(*args, **more)
    except option_kinds.FleetError as error:
        raise AnsibleFilterError(str(error)) from None


def _collect(hostvars: Hostvars, hosts: t.Iterable[str], name: str) -> dict[str, t.Any]:
    """One variable of many hosts; hosts without it are left out."""
    found = {}
    for host in hosts:
        value = hostvars[host].get(name)
        if value:
            found[host] = value
    return found


def _given(answer: t.Any) -> dict[str, t.Any]:
    """What a module answered. A task that was skipped registers something as well, and that is none."""
    return {} if not answer or answer.get("skipped") else answer


def whole_number(value: t.Any, variable: str) -> int:
    try:
        return numbers.whole_number(variable, value)
    except OvercError as error:
        raise AnsibleFilterError(error.message) from None


def fleet_target(target: t.Any, groups: run_target.Groups, exclude: t.Any = "", action: str = "change") -> list[str]:
    """Patterns for the keyword ``hosts`` that match exactly these hosts."""
    if any(context.CLIARGS.get(key) for key in ("syntax", "listtasks", "listtags")):
        return []  # that is asked about the playbook, not about a target
    given = context.CLIARGS
    _said(
        run_target.refuse_parts, given.get("tags") or ["all"], given.get("skip_tags") or (), given.get("start_at_task")
    )
    limit = str(given.get("subset") or "")
    return run_target.as_patterns(_said(run_target.choose, groups, target, exclude, action=action, limit=limit))


def fleet_hosts(
    names: t.Sequence[str], begins: str = "", ends: bool = False, hostvars: Hostvars | None = None
) -> list[str]:
    """``begins``: the command that these hosts are for, ``ends``: they are those of a run that has come to its end.

    With ``hostvars``, a run that is cut off in between says what became of its hosts.
    """
    if begins:
        run_cut.begin(begins, names, lambda: _at_work(hostvars or {}), lambda: _so_far(hostvars or {}))
    elif ends:
        run_cut.end()
    return run_target.as_patterns(names)


def _at_work(hostvars: Hostvars) -> list[str]:
    of = hostvars["localhost"]["__fleet_plan"]
    lost = [host for host, result in _results(of, hostvars).items() if result is run_gate.LOST]
    back = hostvars["localhost"].get("__fleet_revert") or ()
    return [*lost, *(host for host in back if not hostvars[host].get("host_rollback_result"))]


def _so_far(hostvars: Hostvars) -> list[str]:
    of = hostvars["localhost"]["__fleet_plan"]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    lines: list[str] = fleet_record(of, hostvars, now, of["options"].get("report_dir") or "", True)["lines"]
    return lines


def fleet_plan(hosts: t.Sequence[str], hostvars: Hostvars, options: t.Mapping[str, t.Any]) -> t.Any:
    answers = {host: {} for host in hosts} | _collect(hostvars, hosts, "__preflight_answer")
    asked = _asked(hostvars, hosts)
    pinged = _collect(hostvars, hosts, "__preflight_pinged")
    health = _collect(hostvars, hosts, "__preflight_health")
    for host in hosts:
        wanted = asked.get(host) or {}
        silent = run_plan.no_delegate(wanted.get("delegates") or (), pinged.get(host, {}).get("results") or ())
        answers[host] = {**run_plan.with_health(answers[host], _given(health.get(host))), **(silent if wanted else {})}
    skipped = [str(tag) for tag in context.CLIARGS.get("skip_tags") or () if tag != "never"]
    # What people read of them is without what is in a vault
    own = {
        host: {key: value for key, value in (given.get("shown") or given).items() if key in _shown(options)}
        for host, given in asked.items()
    }
    return _said(run_plan.plan, answers, {**options, "skip_tags": skipped} if skipped else options, own)


def _asked(hostvars: Hostvars, hosts: t.Iterable[str]) -> dict[str, t.Any]:
    """What was asked of hosts, as the preflight has found it; those are left out of which it was refused."""
    answers = _collect(hostvars, hosts, "__preflight_answer")
    return {host: answer["asked"] for host, answer in answers.items() if answer.get("asked")}


def _shown(options: t.Mapping[str, t.Any]) -> t.Collection[str]:
    return ROLES[f"host_{options.get('command', 'upgrade')}"]


def fleet_gate(plan: t.Any, hostvars: Hostvars, wave: t.Sequence[str], now: str, begins: bool = False) -> t.Any:
    """``begins``: with the ``options`` of each host of the wave that goes."""
    before = _collect(hostvars, ["localhost"], "__fleet_next").get("localhost") or {}
    known = int(before.get("known") or 0)
    went = _went(hostvars)
    gate = _said(run_gate.gate, plan, _results(plan, hostvars, went[known:]), wave, now, before)
    gate["known"] = len(went)
    if begins:
        asked = _asked(hostvars, gate["go"])
        if set(gate["go"]) - set(asked):
            raise AnsibleFilterError(
                f"What is asked of {', '.join(sorted(set(gate['go']) - set(asked)))} is not known."
            )
        command, rejected = plan["command"], gate["rejected"]
        gate["options"] = {host: run_wave.options_of(command, asked[host], rejected) for host in gate["go"]}
    return gate


def fleet_alone(gate: t.Mapping[str, t.Any], hostvars: Hostvars, command: str) -> bool:
    """Whether no host of the wave needs others."""
    stages = {host: {} for host in gate["go"]} | _collect(hostvars, gate["go"], f"__host_{command}_stage")
    return run_wave.alone(stages, gate["options"])


def others_needed(stage: t.Any, options: t.Mapping[str, t.Any], check_mode: bool = False) -> bool:
    return t.cast("bool", _said(run_wave.others_needed, _given(stage), options, bool(check_mode)))


def fleet_unasked(hosts: t.Sequence[str], hostvars: Hostvars) -> bool:
    """Whether there is nothing to be asked of any host before its upgrade, beside what the module asks by itself."""
    asked = _asked(hostvars, hosts)
    return not any(module_health(given.get("health")) for given in asked.values())


def fleet_hidden(hosts: t.Sequence[str], hostvars: Hostvars) -> bool:
    """Whether what was asked of any of these hosts has something in it that nobody is to read."""
    return any("shown" in given for given in _asked(hostvars, hosts).values())


def fleet_done(plan: t.Any, hostvars: Hostvars) -> t.Any:
    return _said(run_gate.done_hosts, plan, _results(plan, hostvars))


def fleet_record(plan: t.Any, hostvars: Hostvars, now: str, directory: str = "", at_work: bool = False) -> t.Any:
    """The record of a run so far, and with ``lines`` what to tell a person; ``directory`` is where its report lies.

    ``at_work``: in the middle of a wave, where a host without a result has not failed.
    """
    record = _record(plan, hostvars, now, at_work=at_work)
    page = f"{directory}/{plan['command']}.html" if directory else ""
    # Of all that, the playbook goes on with this; a fact of a large fleet costs time with every task
    said = {host: record["hosts"][host]["status"] for host in record["bad"]}
    return {"bad": record["bad"], "statuses": said, "lines": run_record.verdict_lines(record, page)}


def _record(plan: t.Any, hostvars: Hostvars, now: str, *, at_work: bool) -> dict[str, t.Any]:
    back = _collect(hostvars, ["localhost"], "__fleet_revert").get("localhost") or ()
    reverts = _collect(hostvars, back, "host_rollback_result") if plan["command"] == "upgrade" else {}
    return t.cast(
        "dict[str, t.Any]",
        _said(run_record.summary, plan, _results(plan, hostvars), reverts, now, at_work=at_work),
    )


def _went(hostvars: Hostvars) -> list[str]:
    """The hosts that were let go so far, in their order."""
    return list(_collect(hostvars, ["localhost"], "__fleet_went").get("localhost") or ())


def _results(plan: t.Any, hostvars: Hostvars, hosts: t.Iterable[str] | None = None) -> dict[str, t.Any]:
    """What became of the hosts so far, or of these of them; one that was let go and says nothing is at work, or lost."""
    went = _went(hostvars) if hosts is None else hosts
    return {host: _result(plan["command"], hostvars[host]) or run_gate.LOST for host in went if host in plan["hosts"]}


def _result(command: str, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What became of a host that was let go: as its role says it, or as its module does where nobody else had anything to do."""
    result = variables.get(f"host_{command}_result")
    if result:
        return t.cast("dict[str, t.Any]", result)
    gate, host = variables.get("__fleet_gate") or {}, variables.get("inventory_hostname")
    options = (gate.get("options") or {}).get(host)
    stage = _given(variables.get(f"__host_{command}_stage"))
    return run_wave.outcome(command, stage, options) if options and stage else {}


def fleet_table(hosts: t.Sequence[str], hostvars: Hostvars, name: str) -> t.Any:
    return run_report.table({host: {} for host in hosts} | _collect(hostvars, hosts, name))


def fleet_unseen(hosts: t.Sequence[str], hostvars: Hostvars, name: str) -> dict[str, str]:
    return run_report.unseen({host: {} for host in hosts} | _collect(hostvars, hosts, name))


def fleet_record_text(plan: t.Any, hostvars: Hostvars, now: str, wave: t.Any = (), at_work: bool = False) -> str:
    """The record as it is stored; with ``wave``, what has changed by its hosts, as far as they were let go."""
    if not wave:
        return record_file.text(_record(plan, hostvars, now, at_work=at_work))
    gate = _collect(hostvars, ["localhost"], "__fleet_next").get("localhost") or {}
    went = set(_went(hostvars))
    # Who begins has no result yet, and need not be asked
    results = {host: run_gate.LOST for host in wave if host in went} if at_work else None
    found = results if results is not None else _results(plan, hostvars, [host for host in wave if host in went])
    return record_file.change(_said(run_record.changes, plan, found, now, list(wave), gate))


def fleet_looked_at(
    hosts: t.Sequence[str], hostvars: Hostvars, records: t.Any, now: str, verdicts: t.Any = None
) -> str:
    infos = {host: {} for host in hosts} | _collect(hostvars, hosts, "__report_info")
    found = look_record.looked_at(infos, map(_record_of, records), now, _collect(hostvars, hosts, "__report_overlays"))
    return record_file.text({**found, "verdicts": verdicts or {}})


def _record_of(path: str) -> t.Any:
    """What a run has written, with what has changed since; nothing where that is none or cannot be read."""
    try:
        return report_files.read_all(str(path).removesuffix(".json"))
    except OSError:
        return None


def change_lines(upgrades: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    return [change_line(change) for change in upgrades] or ["nothing is pending"]


def _secrets(context: t.Any) -> t.Collection[str]:
    """What the inventory keeps in a vault for the host that a task is for."""
    hostvars, host = context.get("hostvars"), context.get("inventory_hostname")
    return vaulted(hostvars.raw_get(host)) if host and hasattr(hostvars, "raw_get") else frozenset()


@pass_context
def failure_output(context: t.Any, result: t.Mapping[str, t.Any]) -> str:
    return t.cast("str", without(host_outcome.output(result), _secrets(context)))


@pass_context
def failure_reason(context: t.Any, result: t.Mapping[str, t.Any]) -> str:
    return t.cast("str", without(host_outcome.reason(result), _secrets(context)))


@pass_context
def without_secrets(context: t.Any, data: t.Any) -> t.Any:
    """``data`` are texts, and lists and mappings of these."""
    return without(data, _secrets(context))


@pass_context
def vaulted_values(context: t.Any, _nothing: t.Any) -> list[str]:
    return sorted(_secrets(context))


def failed_upgrade(failure: t.Any, answers: t.Mapping[str, t.Any], rollback: bool) -> dict[str, t.Any]:
    """``answers``: stage, switch, now, back (any of them may be missing) and unhealthy."""
    parts = {key: _given(answers.get(key)) for key in ("stage", "switch", "now", "back")}
    return host_outcome.failed_upgrade(failure, unhealthy=answers.get("unhealthy") or "", rollback=rollback, **parts)


def failed_rollback(failure: t.Any, answers: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """``answers``: stage, switch (any of them may be missing)."""
    return host_outcome.failed_rollback(failure, *[_given(answers.get(key)) for key in ("stage", "switch")])


def fleet_verdicts(url: str, signers: t.Any = "", token: str = "") -> dict[str, t.Any]:
    lines = signers if isinstance(signers, str) else "\n".join(map(str, signers or []))
    return verdict_report.collected(str(url), lines, token)


def module_health(health: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    return role_arguments.module_health(health)


def rollback_result(answers: t.Mapping[str, t.Any], reboots: bool, check_mode: bool) -> dict[str, t.Any]:
    """``answers``: stage, switch, confirm, service (any of them may be missing), and whether it only was to finish."""
    parts = [_given(answers.get(key)) for key in ("stage", "switch", "confirm", "service")]
    finish = bool(answers.get("finish"))
    return host_outcome.returned(*parts, reboots=bool(reboots), check_mode=bool(check_mode), finish=finish)


def upgrade_result(status: str, answers: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """``answers``: stage, switch, confirm, service (any of them may be missing), and whether it only was to finish."""
    parts = [_given(answers.get(key)) for key in ("stage", "switch", "confirm", "service")]
    return host_outcome.upgraded(*parts, status=status, finish=bool(answers.get("finish")))


def must_go_back(now: t.Any, stage: t.Any, switch: t.Any) -> bool:
    return host_outcome.must_go_back(_given(stage), _given(switch), _given(now))


def to_be_finished(stage: t.Any, puts_back: t.Any = False) -> bool:
    return host_outcome.to_be_finished(_given(stage), bool(puts_back))


def overlay_lines(answers: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    return overlay_words.overlay_lines(answers)


def pull_abandoned(result: t.Mapping[str, t.Any], failure: str, back: t.Any = None) -> dict[str, t.Any]:
    return pull.abandoned(result, failure, _given(back))


def pull_gated(outcome: t.Mapping[str, t.Any], answer: t.Any = None) -> dict[str, t.Any]:
    return pull.gated(outcome, _given(answer))


def pull_ring_config(options: t.Mapping[str, t.Any], host: str, token: bool) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", _said(pull_rings.config_of, options, host, token=bool(token)))


def pull_interrupted(info: t.Any, note: t.Mapping[str, t.Any]) -> bool:
    return pull.interrupted(info or {}, note)


def pull_out_of_service(outcome: t.Mapping[str, t.Any], failure: t.Any) -> dict[str, t.Any]:
    return pull.out_of_service(outcome, failure or {})


def pull_verdict(answer: t.Mapping[str, t.Any], rejected: t.Collection[str], health: t.Any = None) -> dict[str, t.Any]:
    return pull.verdict(run_plan.with_health(answer, _given(health)), rejected)


def pull_window_open(window: str) -> bool:
    return window_open(window, dt.datetime.now(dt.timezone.utc))


def pull_staged(result: t.Mapping[str, t.Any], reboot: bool, window: bool = True) -> dict[str, t.Any]:
    return pull.staged(result, reboot=reboot, window=bool(window))


def pull_verified(info: t.Any, note: t.Mapping[str, t.Any], failure: str = "", back: t.Any = None) -> dict[str, t.Any]:
    return pull.verified(info or {}, note, failure, back)


class FilterModule:
    """The filters of fleet runs."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "change_lines": change_lines,
            "failed_rollback": failed_rollback,
            "failed_upgrade": failed_upgrade,
            "failure_output": failure_output,
            "failure_reason": failure_reason,
            "fleet_alone": fleet_alone,
            "fleet_done": fleet_done,
            "fleet_gate": fleet_gate,
            "fleet_hidden": fleet_hidden,
            "fleet_hosts": fleet_hosts,
            "fleet_looked_at": fleet_looked_at,
            "fleet_plan": fleet_plan,
            "fleet_record": fleet_record,
            "fleet_record_text": fleet_record_text,
            "fleet_table": fleet_table,
            "fleet_target": fleet_target,
            "fleet_unasked": fleet_unasked,
            "fleet_unseen": fleet_unseen,
            "fleet_verdicts": fleet_verdicts,
            "module_health": module_health,
            "must_go_back": must_go_back,
            "others_needed": others_needed,
            "overlay_lines": overlay_lines,
            "pull_abandoned": pull_abandoned,
            "pull_gated": pull_gated,
            "pull_interrupted": pull_interrupted,
            "pull_out_of_service": pull_out_of_service,
            "pull_ring_config": pull_ring_config,
            "pull_staged": pull_staged,
            "pull_verdict": pull_verdict,
            "pull_verified": pull_verified,
            "pull_window_open": pull_window_open,
            "rollback_result": rollback_result,
            "to_be_finished": to_be_finished,
            "upgrade_result": upgrade_result,
            "vaulted_values": vaulted_values,
            "whole_number": whole_number,
            "without_secrets": without_secrets,
        }
