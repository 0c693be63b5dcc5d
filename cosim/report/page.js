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
  const moment = (chart, s) => {
    const t = new Date((chart.origin + s) * 1000);
    const seconds = chart.seconds ? ":" + two(t.getUTCSeconds()) : "";
    return `${t.getUTCDate()} ${MONTHS[t.getUTCMonth()]} ${two(t.getUTCHours())}:${two(t.getUTCMinutes())}${seconds}`;
  };
  const place = (chart, k) => {
    const at = chart.at[k];
    if (chart.along === "y") return `${value(at * 100)} % of requests within`;
    if (chart.origin === undefined) return `${chart.label}: ${shown(chart, at)} ${chart.unit || ""}`.trimEnd();
    if (!chart.bucket) return moment(chart, at) + " UTC";
    const end = Math.min(at + chart.width, chart.end);
    return `${moment(chart, at)} to ${moment(chart, end)} UTC`;
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
      tip.style.left = "0";
      tip.hidden = false;
      const home = figure.getBoundingClientRect();
      const at = event.clientX - home.left;
      const room = home.width - tip.offsetWidth;
      const beside = at + 16 > room ? at - tip.offsetWidth - 16 : at + 16;
      tip.style.left = `${Math.max(0, Math.min(beside, room))}px`;
      tip.style.top = `${event.clientY - home.top + 18}px`;
    };
    svg.addEventListener("pointermove", show);
    svg.addEventListener("pointerdown", show);
    svg.addEventListener("pointerleave", hide);
  }
})();
