"""What the command line prints for people: the report of a run, the catalogues."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from controllers import ActuatorChange
from cosim.errors import ScenarioError
from cosim.execute import Result
from cosim.plan import Plan
from inference_sim.cluster import ClusterConfig
from inference_sim.power.pue import as_pue

_SHOWN_ACTIONS = 4
_MARGINAL = "marginal_ci_mean_g_per_kwh"
_INDENT, _WIDTH, _LEAST_WIDTH = 9, 100, 20
_UNITS = re.compile(r"(?<=\d) (?=(?:[mk]?g|k?W|k?Wh|g/kWh|ms|s|min|h|d|M)\b)")


def print_report(result: Result) -> None:
    """Print what happened in a run."""
    console = Console(highlight=False, soft_wrap=True)
    summary = result.summary
    time, wall = summary["time"], summary["wall"]
    name = summary["scenario"]["name"]
    told = (
        f"{duration(time['duration_s'])} from {time['start']} in steps of "
        f"{duration(time['step_s'])}, run in {wall['run_s']:.1f} s "
        f"({wall['x_real_time']:,.0f} x real time)"
    )
    first, *others = _wrapped(console, told, len(name) + 2)
    console.print(Text.assemble((name, "bold"), f"  {first}"))
    for line in others:
        console.print(f"{'':<{len(name) + 2}}{line}")
    several = len(summary["sites"]) > 1
    deployments = {site.name: site.cluster for site in result.run.plan.sites}
    for name, section in summary["sites"].items():
        if several:
            console.print(Text(name, style="bold"))
        if (cluster := deployments[name]) is not None:
            _print_row(console, "Cluster", _deployment(cluster, section["deployment"]))
        for title, text in _site_rows(section):
            _print_row(console, title, text)
    if several:
        console.print(Text("all sites", style="bold"))
        if "requests" in summary:
            _print_row(console, "Work", _work(summary))
        _print_row(console, "Energy", _energy(summary["energy_kwh"]))
        for title, text in _carbon_rows(summary):
            _print_row(console, title, text)
    if summary["sites"]:
        _print_controllers(console, result)
    for text, stale in _live_notes(summary):
        _print_row(console, "Live", text, style="yellow" if stale else "cyan")
    for text in _trace_notes(result.run.plan):
        _print_row(console, "Trace", text)
    for site in result.run.plan.sites:
        for text in site.signal_notes:
            _print_row(console, "Warning", f"{site.name}: {text}", style="yellow")
    if summary.get("load_state", "stable") != "stable":
        _print_row(console, "Warning", _load_warning(summary), style="yellow")
    if result.run.plan.scenario.time.until == "drained" and not all(
        cluster.drained for cluster in result.run.clusters.values()
    ):
        text = "the run reached max_duration before every request had ended"
        _print_row(console, "Warning", text, style="yellow")
    if result.folder is not None:
        _print_row(console, "Results", str(result.folder))


def _trace_notes(plan: Plan) -> Iterator[str]:
    """Yield what was left out of recorded traces; once for sites that share one."""
    left_out = {
        source.config.trace.path: source.trace_failures
        for source in (site.workload for site in plan.sites)
        if source is not None and source.config.trace is not None and source.trace_failures
    }
    for path, failures in left_out.items():
        yield (
            f"{_plural(failures, 'request')} of {path.name} left out, recorded as failed: without "
            "response tokens"
        )


def _live_notes(summary: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield how the signals of a live run came, and whether any was stale."""
    live = summary.get("live")
    if live is None:
        return
    late = f", at most {duration(live['late_s'])} late" if live["late_s"] >= 1 else ""
    yield f"{live['speed']:g} x the clock{late}", False
    for name, feed in live["sites"].items():
        text = f"carbon intensity of {name} asked for {_plural(feed['polls'], 'time')}"
        if feed["failed_polls"]:
            text += f", {feed['failed_polls']:,} without an answer to use"
        if feed["stale_steps"]:
            text += f"; stale in {_plural(feed['stale_steps'], 'step')}"
        if feed["oldest_s"] is not None:
            text += f"; at most {duration(feed['oldest_s'])} old"
        yield text, bool(feed["stale_steps"])


def _print_row(console: Console, title: str, text: str, style: str = "cyan") -> None:
    """Print a title and its text, wrapped beside it."""
    for index, line in enumerate(_wrapped(console, text, _INDENT)):
        head = title if index == 0 else ""
        console.print(Text.assemble((f"{head:<{_INDENT}}", style), line))


def _wrapped(console: Console, text: str, before: int) -> list[str]:
    """Return the lines of a text that has so many characters before it in each.

    A value stays with its unit.
    """
    room = max(_width(console) - before, _LEAST_WIDTH)
    held = _UNITS.sub("\u00a0", text)
    lines = textwrap.wrap(held, width=room, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines] or [""]


def _width(console: Console) -> int:
    return min(console.width, _WIDTH) if console.is_terminal else _WIDTH


def _deployment(cluster: ClusterConfig, described: dict[str, str]) -> str:
    host = f"{cluster.host_power_w:g} W per GPU" if cluster.host_power_w else "left out"
    reasons = [
        f"; {what} uncalibrated: {described[key]}"
        for what, key in (("timing", "uncalibrated"), ("power", "power_uncalibrated"))
        if described[key]
    ]
    return (
        f"{cluster.model.name} on {cluster.gpus} x {cluster.gpu.name}, {cluster.scheduler} "
        f"scheduler, PUE {as_pue(cluster.pue)}, host power {host}" + "".join(reasons)
    )


def _site_rows(section: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "requests" in section:
        yield "Work", _work(section)
        yield "Latency", _latency(section["latency_s"])
        if section["slo"]["attainment"] is not None:
            yield "SLO", _slo(section["slo"])
        yield "GPUs", _gpus(section)
        if "power_cap" in section:
            yield "Cap", _power_cap(section["power_cap"])
    yield "Energy", _energy(section["energy_kwh"])
    yield from _carbon_rows(section)
    if section["battery"] is not None:
        battery = section["battery"]
        yield (
            "Battery",
            f"state of charge {battery['soc_mean']:.0%} on average "
            f"({battery['soc_min']:.0%} to {battery['soc_max']:.0%}), "
            f"{battery['cycles']:.2f} full cycles, "
            f"{_energy_text(section['energy_kwh']['battery_loss'])} lost",
        )
    grid = section["grid"]
    yield (
        "Grid",
        f"{grid['ci_mean_g_per_kwh']:.0f} g/kWh on average (10th to 90th percentile "
        f"{grid['ci_p10']:.0f} to {grid['ci_p90']:.0f}), at most "
        f"{_power(grid['peak_import_w'])} drawn, "
        f"{grid['self_sufficiency']:.0%} self-sufficient"
        + (f"; marginal {grid[_MARGINAL]:.0f} g/kWh on average" if _MARGINAL in grid else ""),
    )
    if "cost" in section:
        yield "Cost", f"{section['cost']['import']:,.2f} {section['cost']['currency']}"
    if "paper" in section:
        yield "Paper", _paper(section["paper"])


def _work(section: dict[str, Any]) -> str:
    requests, tokens = section["requests"], section["tokens"]
    parts = [f"{requests['arrived']:,} requests arrived", f"{requests['completed']:,} completed"]
    if reasons := ", ".join(reason.replace("_", " ") for reason in section["rejections"]):
        parts.append(f"{requests['rejected']:,} rejected ({reasons})")
    parts += [f"{requests[name]:,} {name}" for name in ("waiting", "running") if requests[name]]
    if requests["preemptions"]:
        parts.append(_plural(requests["preemptions"], "preemption"))
    return (
        ", ".join(parts)
        + f"; {_count(tokens['prompt'])} prompt and "
        + (f"{_count(tokens['output'])} output tokens")
    )


def _latency(latency: dict[str, Any]) -> str:
    names = {"ttft": "first token", "tpot": "per output token", "e2e": "whole request"}
    parts = [
        f"{title} {_seconds(latency[name]['p50'])} (p99 {_seconds(latency[name]['p99'])})"
        for name, title in names.items()
        if latency[name]
    ]
    return "median " + ", ".join(parts) if parts else "no request completed"


def _slo(slo: dict[str, Any]) -> str:
    each = ", ".join(
        f"{name} {share:.1%}" for name, share in slo["by_class"].items() if share is not None
    )
    return f"met by {slo['attainment']:.1%} of requests ({each})"


def _gpus(section: dict[str, Any]) -> str:
    gpu, batch = section["gpu"], section["batch"]
    return (
        f"{gpu['count']} x {gpu['power_mean_w']:.0f} W on average, busy "
        f"{gpu['busy_fraction']:.0%}, MFU {gpu['mfu_mean']:.1%}; batch {batch['mean']:.1f} "
        f"on average, {batch['max']} at most"
    )


def _power_cap(cap: dict[str, float | None]) -> str:
    clock, over = cap["clock_mean"], cap["over_cap_fraction"] or 0.0
    text = "power cap: " + ("no load" if clock is None else f"clock {clock:.0%} on average")
    if over > 0:
        text += (
            f"; not held for {max(over, 0.0001):.2%} of the time: the clock was at its lowest, or "
            "the cap had just come down"
        )
    return text


def _energy(energy: dict[str, float]) -> str:
    unit, scale = ("kWh", 1.0) if energy["facility"] >= 1 else ("Wh", 1000.0)
    terms = f"{energy['import'] * scale:.2f} from the grid"
    if energy["solar"]:
        terms += f" + {energy['solar_used'] * scale:.2f} of solar"
    stored = energy["battery_charge"] - energy["battery_discharge"]
    if abs(stored) > 1e-9:
        kept = "- {:.2f} into the battery" if stored > 0 else "+ {:.2f} from the battery"
        terms += " " + kept.format(abs(stored) * scale)
    exported = f"; {energy['export'] * scale:.2f} of solar exported" if energy["export"] else ""
    return f"{energy['facility'] * scale:.2f} {unit} used = {terms}{exported}"


def _carbon_rows(section: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the emissions, by one intensity or by two."""
    for name, title in (("carbon_g", "Carbon"), ("marginal_carbon_g", "")):
        if name in section:
            yield title, _carbon(section[name])


def _carbon(carbon: dict[str, Any]) -> str:
    text = (
        f"{mass(carbon['import'])} for the grid's share ({carbon['kind']} intensity), "
        f"{mass(carbon['gross'])} had all come from the grid"
    )
    if carbon["embodied"]:
        text += f"; {mass(carbon['embodied'])} embodied; total {mass(carbon['total'])}"
    if carbon.get("per_request") is not None:
        text += (
            f" = {mass(carbon['per_request'])} per request, "
            f"{mass(carbon['per_1k_output_tokens'])} per 1,000 output tokens"
        )
    return text


def _paper(paper: dict[str, float | None]) -> str:
    text = (
        f"by the paper's definitions: demand {paper['demand_kwh']:.2f} kWh, solar "
        f"{paper['solar_kwh']:.2f} kWh, grid {paper['grid_kwh']:.2f} kWh, renewable share "
        f"{paper['renewable_share']:.1%}, emissions {paper['total_emissions_kg']:.2f} kg, offset "
        f"{paper['offset_kg']:.2f} kg, net {paper['net_g']:.1f} g"
    )
    if paper["cycles"] is not None:
        text += (
            f"; SoC {paper['soc_mean']:.1%}, charging {paper['charging']:.1%}, discharging "
            f"{paper['discharging']:.1%}, idle {paper['idle']:.1%}, {paper['cycles']:.2f} cycles"
        )
    return text


def _print_controllers(console: Console, result: Result) -> None:
    """Print what each controller did: the number of changes, and the first few of them."""
    start = result.run.plan.scenario.time.start
    several = len(result.summary["sites"]) > 1
    for entry, counted in zip(
        result.run.plan.controllers, result.summary["controllers"], strict=True
    ):
        changes = [
            change
            for change in result.run.host.changes
            if change.controller == entry.name
            and entry.site in (None, change.site)
            and change.actuator in entry.controller.actuators
        ]
        where = f" on {counted['site']}" if counted["site"] and several else ""
        made = "no change" if not changes else _plural(len(changes), "change")
        _print_row(console, "Control", f"{entry.name}{where}: {made}")
        _print_changes(console, start, changes)
    for site, guard in result.run.host.guards.items():
        if guard.active_s:
            where = f" on {site}" if several else ""
            _print_row(
                console,
                "Guard",
                f"the objectives{where} kept throttles open, and deferrable work back, for "
                f"{duration(guard.active_s)}; last for {guard.reason}",
            )


def _print_changes(console: Console, start: datetime, changes: Sequence[ActuatorChange]) -> None:
    """Print the first changes in columns: when, what was set to what, and why."""
    shown = changes[:_SHOWN_ACTIONS]
    settings = [f"{one.actuator} {_number(one.old)} -> {_number(one.new)}" for one in shown]
    wide = max(map(len, settings), default=0)
    heads = [
        f"{start + timedelta(seconds=one.time_s):%d %b %H:%M}Z  {setting:<{wide}}  "
        for one, setting in zip(shown, settings, strict=True)
    ]
    longest = max(
        (len(head) + len(one.reason) for head, one in zip(heads, shown, strict=True)), default=0
    )
    indent = _INDENT if _INDENT + longest <= _width(console) else 2
    for head, one in zip(heads, shown, strict=True):
        before = " " * indent + head
        for line in _wrapped(console, one.reason, len(before)):
            console.print(f"{before}{line}".rstrip(), markup=False)
            before = " " * len(before)
    if len(changes) > len(shown):
        console.print(f"{'':<{indent}}and {len(changes) - len(shown)} more in actions.parquet")


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _load_warning(summary: dict[str, Any]) -> str:
    waiting = summary["requests"]["waiting"]
    if summary["load_state"] == "overloaded":
        return (
            "overloaded: requests come faster than they are served, and the queue grows for as "
            f"long as they come ({waiting:,} wait at the end). Latency, and carbon per request, "
            "only tell how long that was."
        )
    return (
        f"{waiting:,} requests still wait at the end. Their energy is not in these figures: "
        "compare only with runs that leave the same backlog."
    )


def print_models() -> None:
    """Print the catalogue of models."""
    from inference_sim.models import find_model, model_names

    table = Table("model", "parameters", "layers", "context", box=None)
    for name in model_names():
        model = find_model(name)
        table.add_row(
            name,
            f"{model.parameters / 1e9:.1f} B",
            str(model.layers),
            f"{model.max_context_tokens:,}",
        )
    Console(highlight=False).print(table)


def print_gpus() -> None:
    """Print the catalogue of GPUs."""
    from inference_sim.hardware import find_gpu, gpu_names

    table = Table(
        Column("gpu", no_wrap=True),
        "memory",
        "peak",
        "bandwidth",
        "idle to max",
        "tensor parallel",
        box=None,
    )
    for name in gpu_names():
        gpu = find_gpu(name)
        table.add_row(
            name,
            f"{gpu.memory_gib:g} GiB",
            f"{gpu.peak_tflops:g} TFLOP/s",
            f"{gpu.memory_bandwidth_tb_per_s:g} TB/s",
            f"{gpu.loaded_idle_w:g} to {gpu.max_w:g} W",
            ", ".join(map(str, [1, *gpu.all_reduce])),
        )
    Console(highlight=False).print(table)


def print_controllers() -> None:
    """Print the controllers that come with the package, and those that others offer.

    Raises:
        ScenarioError: If one of these cannot be imported.
    """
    from controllers import BUILTIN, installed, resolve

    table = Table("controller", "what it does", box=None)
    try:
        for name in (*BUILTIN, *installed()):
            table.add_row(name, (resolve(name, Path()).__doc__ or "").strip().split("\n")[0])
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    Console(highlight=False).print(table)


def print_controller(name: str) -> None:
    """Print what a controller does, and its parameters.

    Raises:
        ScenarioError: If there is no such controller.
    """
    import inspect

    from controllers import resolve
    from cosim.control import parameters_model

    try:
        controller = resolve(name, Path.cwd())
        model = parameters_model(name, controller)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    module = inspect.getmodule(controller)
    text = "\n\n".join(filter(None, (inspect.getdoc(controller), inspect.getdoc(module))))
    console = Console(highlight=False, markup=False)
    console.print(text, soft_wrap=True)
    table = Table("parameter", "default", "meaning", box=None)
    for key, info in model.model_fields.items():
        if key == "type":
            continue
        default = "required" if info.is_required() else str(info.default)
        meaning = info.description or ""
        table.add_row(Text(key), Text(default), Text(textwrap.shorten(meaning, 200)))
    console.print(table)


def duration(seconds: float) -> str:
    """Return a duration in its unit."""
    unit, size = duration_unit(seconds)
    return f"{seconds / size:.4g} {unit}"


def duration_unit(seconds: float) -> tuple[str, int]:
    """Return the largest unit that there are at least two of, or a whole number, and its size."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds and seconds % size == 0):
            return unit, size
    return "s", 1


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _energy_text(kwh: float) -> str:
    return f"{kwh:.2f} kWh" if abs(kwh) >= 1 else f"{kwh * 1000:.1f} Wh"


def _power(watts: float) -> str:
    return f"{watts / 1000:.2f} kW" if watts >= 1000 else f"{watts:.0f} W"


def mass(grams: float) -> str:
    """Return a mass in a unit that suits it."""
    if grams >= 1000:
        return f"{grams / 1000:.2f} kg"
    return f"{grams:.3g} g" if grams >= 1 or not grams else f"{grams * 1000:.3g} mg"


def _number(value: float) -> str:
    return "unlimited" if math.isinf(value) else f"{value:.4g}"


def _count(number: float) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number:,}"
