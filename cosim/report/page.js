// The values under the pointer. All of them stand in the page; nothing is fetched.
"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("chart-data").textContent);
  const NS = "http://www.w3.org/2000/svg";
  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

  const two = (n) => String(n).padStart(2, "0");
  const value = (v, infinite) => {
    if (v === null) return "–";
    if (v === "inf") return infinite || "unlimited";
    const size = Math.abs(v);
    if (size !== 0 && (size < 1e-4 || size >= 1e9)) return v.toPrecision(5);
    return (Number(v.toPrecision(5)) + 0).toLocaleString("en-US", { maximumFractionDigits: 9 });
  };
  const latency = (s) => {
    const [size, unit] = s < 1 ? [0.001, "ms"] : s < 120 ? [1, "s"] : s < 7200 ? [60, "min"] : [3600, "h"];
    return `${value(Number((s / size).toPrecision(4)))} ${unit}`;
  };
  const shown = (one, v) => {
    if (typeof v !== "number") return value(v, one.infinite);
    return value(one.per ? v / one.per : v);
  };
  const clock = (chart, t) => `${two(t.getUTCHours())}:${two(t.getUTCMinutes())}${chart.seconds ? ":" + two(t.getUTCSeconds()) : ""}`;
  const day = (t) => `${t.getUTCDate()} ${MONTHS[t.getUTCMonth()]}`;
  const ahead = (chart, s) => {
    let offset = 0;
    for (const [from, seconds] of chart.offsets || []) if (from <= s) offset = seconds;
    return offset;
  };
  const span = (chart, k, local) => {
    const at = chart.at[k];
    const end = k + 1 < chart.at.length ? chart.at[k + 1] : Math.min(at + chart.width, chart.end);
    const date = (s) => new Date((chart.origin + s + (local ? ahead(chart, s) : 0)) * 1000);
    const [from, to] = [date(at), date(end)];
    const first = `${day(from)} ${clock(chart, from)}`;
    if (!chart.bucket) return first;
    return day(from) === day(to) ? `${first} to ${clock(chart, to)}` : `${first} to ${day(to)} ${clock(chart, to)}`;
  };
  const utc = (chart, k) => `${span(chart, k, false)} UTC`;
  const place = (chart, k) => {
    const at = chart.at[k];
    if (chart.along === "y") return `${value(at * 100)} % of requests within`;
    if (chart.origin === undefined) return `${chart.label}: ${shown(chart, at)} ${chart.unit || ""}`.trimEnd();
    return chart.zone ? `${span(chart, k, true)} ${chart.zone}` : utc(chart, k);
  };
  const find = (chart, x) => {
    const at = chart.at;
    let low = 0, high = at.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (at[middle] <= x) low = middle; else high = middle - 1;
    }
    const nearer = low + 1 < at.length && at[low + 1] - x < x - at[low];
    return !chart.held && nearer ? low + 1 : low;
  };

  const beside = (tip, figure, event) => {
    tip.style.left = "0";
    tip.hidden = false;
    const home = figure.getBoundingClientRect();
    const at = event.clientX - home.left;
    const room = home.width - tip.offsetWidth;
    const left = at + 16 > room ? at - tip.offsetWidth - 16 : at + 16;
    tip.style.left = `${Math.max(0, Math.min(left, room))}px`;
    tip.style.top = `${event.clientY - home.top + 18}px`;
  };

  for (const svg of document.querySelectorAll("svg[data-chart]")) {
    const chart = charts[svg.dataset.chart];
    const figure = svg.closest("figure");
    const tip = figure.querySelector(".tip");
    const d = svg.dataset;
    const left = +d.left, right = +d.right;
    const log = d.kind === "log";
    const low = log ? Math.log(+d.low) : +d.low, high = log ? Math.log(+d.high) : +d.high;
    const panels = [...svg.querySelectorAll(".panel")];
    const top = +panels[0].dataset.top, bottom = +panels[panels.length - 1].dataset.bottom;
    const rule = svg.appendChild(document.createElementNS(NS, "path"));
    rule.setAttribute("class", "rule");

    const hide = () => { tip.hidden = true; rule.removeAttribute("d"); };
    const show = (event) => {
      const box = svg.getBoundingClientRect();
      const scale = box.width / svg.viewBox.baseVal.width;
      const x = (event.clientX - box.left) / scale, y = (event.clientY - box.top) / scale;
      if (x < left - 2 || x > right + 2 || y < top - 8 || y > bottom + 8) return hide();
      let k;
      if (chart.along === "y") {
        k = find(chart, (bottom - y) / (bottom - top));
        const line = bottom - chart.at[k] * (bottom - top);
        rule.setAttribute("d", `M${left} ${line}H${right}`);
      } else {
        const part = Math.min(Math.max((x - left) / (right - left), 0), 1) * (high - low) + low;
        k = find(chart, log ? Math.exp(part) : part);
        const a = log ? Math.log(chart.at[k]) : chart.at[k];
        const middle = a + (chart.held ? chart.width / 2 : 0);
        const line = left + (Math.min(middle, high) - low) / (high - low) * (right - left);
        rule.setAttribute("d", `M${line} ${top}V${bottom}`);
      }
      tip.textContent = "";
      tip.dataset.index = k;
      tip.appendChild(document.createElement("b")).textContent = place(chart, k);
      if (chart.zone) tip.appendChild(document.createElement("div")).textContent = utc(chart, k);
      for (const one of chart.series) {
        const row = tip.appendChild(document.createElement("div"));
        row.dataset.series = one.name;
        row.dataset.color = one.color;
        row.dataset.mean = one.mean[k];
        const own = one.mean[k];
        const timed = chart.along === "y" && one.unit === "s" && typeof own === "number";
        let text = timed ? latency(own) : shown(one, own);
        if (one.low) {
          row.dataset.low = one.low[k];
          row.dataset.high = one.high[k];
          if (one.low[k] !== one.high[k]) text += ` (${shown(one, one.low[k])} to ${shown(one, one.high[k])})`;
        }
        const swatch = row.appendChild(document.createElement("i"));
        swatch.style.background = `var(--${one.color})`;
        const unit = typeof own === "number" && !timed ? one.unit : "";
        row.appendChild(document.createTextNode(`${one.name} ${text} ${unit}`.trimEnd()));
      }
      beside(tip, figure, event);
    };
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerdown", show);
    svg.addEventListener("pointerleave", hide);
  }

  for (const svg of document.querySelectorAll("svg[data-heat]")) {
    const chart = charts[svg.dataset.heat];
    const figure = svg.closest("figure");
    const tip = figure.querySelector(".tip");
    const [left, right, top, bottom] = ["left", "right", "top", "bottom"].map((name) => +svg.dataset[name]);
    const wide = (right - left) / chart.days, high = (bottom - top) / 24;
    const mark = svg.appendChild(document.createElementNS(NS, "path"));
    mark.setAttribute("class", "rule");
    const hide = () => { tip.hidden = true; mark.removeAttribute("d"); };
    const show = (event) => {
      const box = svg.getBoundingClientRect();
      const scale = box.width / svg.viewBox.baseVal.width;
      const day_ = Math.floor(((event.clientX - box.left) / scale - left) / wide);
      const hour = Math.floor(((event.clientY - box.top) / scale - top) / high);
      if (day_ < 0 || day_ >= chart.days || hour < 0 || hour > 23) return hide();
      const k = day_ * 24 + hour;
      const x = left + day_ * wide, y = top + hour * high;
      mark.setAttribute("d", `M${x} ${y}h${wide}v${high}h${-wide}z`);
      tip.textContent = "";
      tip.dataset.index = k;
      const when = new Date((chart.first + day_ * 86400) * 1000);
      tip.appendChild(document.createElement("b")).textContent =
        `${day(when)} ${when.getUTCFullYear()}, ${two(hour)}:00 to ${two(hour + 1)}:00 ${chart.zone}`;
      const row = tip.appendChild(document.createElement("div"));
      row.dataset.series = chart.label;
      row.dataset.mean = chart.cells[k];
      const unit = chart.cells[k] === null ? "" : chart.unit;
      row.textContent = `${chart.label} ${shown(chart, chart.cells[k])} ${unit}`.trimEnd();
      beside(tip, figure, event);
    };
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerdown", show);
    svg.addEventListener("pointerleave", hide);
  }
})();
