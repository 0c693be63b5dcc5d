// Another baseline, and the data as files; runs are hidden by the style sheet alone.
(() => {
  const charts = JSON.parse(document.getElementById("chart-data").textContent);
  const table = document.getElementById("figures-table");
  const names = [...document.querySelectorAll("#baseline option")].map((option) => option.text);

  // As cosim/studies/compare/measures.py writes it.
  const fixed = (value, digits) =>
    (Number(value.toFixed(digits)) + 0).toLocaleString("en-US", {
      minimumFractionDigits: digits, maximumFractionDigits: digits });
  const signed = (value, unit) => {
    const text = fixed(value, 1);
    return `${text.startsWith("-") ? "" : "+"}${text} ${unit}`;
  };
  const difference = (kind, value, before) => {
    if (kind === "plain" || value === "" || before === "") return "";
    const now = +value, then = +before;
    if (now === then) return "same";
    if (kind === "share") return signed((now - then) * 100, "points");
    if (!then) return "";
    if (now / then > 1000) return "over × 1,000";
    if (now / then >= 10) return `× ${fixed(Number((now / then).toPrecision(3)), 0)}`;
    return signed((now - then) / Math.abs(then) * 100, "%");
  };
  const choose = (number) => {
    for (const row of table.querySelectorAll("tr[data-kind]")) {
      const cells = [...row.querySelectorAll("td")];
      const before = cells[number].dataset.value;
      cells.forEach((cell, k) => {
        const reason = JSON.parse(cell.dataset.unequal ?? "[]")[number];
        cell.querySelector("small").textContent = k === number ? ""
          : reason ? `– ${reason}` : difference(row.dataset.kind, cell.dataset.value, before);
      });
    }
    for (const part of document.querySelectorAll("[data-against]")) {
      part.hidden = +part.dataset.against !== number;
    }
  };
  const select = document.getElementById("baseline");
  select.addEventListener("change", () => choose(+select.value));
  choose(+select.value); // a browser may have kept another choice

  const quoted = (cell) => {
    const text = cell === null || cell === undefined ? "" : String(cell);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const csv = (rows) => rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  const ofTable = () => {
    const rows = [...table.querySelectorAll("tr[data-kind]")];
    const cells = rows.map((row) => [...row.querySelectorAll("td")].map((td) => td.dataset.value));
    return csv([["run", ...rows.map((row) => row.dataset.column)],
      ...names.map((name, k) => [name, ...cells.map((values) => values[k])])]);
  };
  const named = (name, unit) => (unit ? `${name} [${unit}]` : name);
  const scaled = (value, per) => (typeof value === "number" && per ? value / per : value);
  const ofChart = (chart) => {
    const time = chart.origin !== undefined;
    const first = chart.along === "y" ? "share of requests" : time ? "time" : named(chart.label, chart.unit);
    const place = (x) => time ? new Date((chart.origin + x) * 1000).toISOString().replace(".000", "")
      : chart.along === "y" ? x : scaled(x, chart.per);
    return csv([
      [first, ...chart.series.map((line) => named(line.name, line.unit))],
      ...chart.at.map((x, k) => [place(x), ...chart.series.map((line) => scaled(line.mean[k], line.per))]),
    ]);
  };
  const button = (name, content) => {
    const made = document.createElement("button");
    made.className = "csv";
    made.type = "button";
    made.textContent = "CSV";
    made.title = `Download the data of this ${name === "figures" ? "table" : "chart"}`;
    made.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([content()], { type: "text/csv" }));
      link.download = `${name}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    return made;
  };
  table.parentElement.before(button("figures", ofTable));
  for (const [key, chart] of Object.entries(charts)) {
    document.querySelector(`#chart-${CSS.escape(key)} figcaption`).append(button(key, () => ofChart(chart)));
  }
})();
