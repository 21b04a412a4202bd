"use strict";
// Draws the charts, filters them together with the tables, and sorts the table. Reads the page's only JSON block.
// Names come from files: they are escaped for Plotly, which interprets some markup in its texts.

const page = JSON.parse(document.getElementById("data").textContent);
const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const config = { displayModeBar: false, responsive: true };
// On a touch screen a drag scrolls the page; with a mouse it zooms, and a double click zooms out.
const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";

const base = () => ({
  paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { size: 12 }, dragmode,
  margin: { l: 52, r: 16, t: 12, b: 48 }, showlegend: false, hovermode: "closest", hoverlabel: { align: "left" },
});
const axis = (title) => ({ title: { text: title, standoff: 10 }, gridwidth: 1, zeroline: false, automargin: true });

// 1, 2, 5, 10, … over a range: Plotly's own labels of a logarithmic axis ("2", "5", "0.1") mislead.
function decades(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const digit of [1, 2, 5]) ticks.push(Number(`${digit}e${power}`));
  }
  const near = ticks.filter((tick) => tick >= low / 2.2 && tick <= high * 2.2);
  return near.length > 9 ? near.filter((tick) => /^1/.test(tick.toExponential())) : near;
}

// The points of a Pareto front, cheapest first.
function front(points) {
  const sorted = [...points].sort((a, b) => a.cost - b.cost || b.row.accuracy - a.row.accuracy);
  let best = -Infinity;
  return sorted.filter((point) => point.row.accuracy > best && ((best = point.row.accuracy), true));
}

// The points of the front that get a label: those far enough from every label placed before.
function labelled(line, position) {
  const written = [];
  return new Set(line.filter((point) => {
    const [x, y] = position(point);
    const clear = written.every(([otherX, otherY]) => Math.abs(x - otherX) > 0.16 || Math.abs(y - otherY) > 0.06);
    if (clear) written.push([x, y]);
    return clear;
  }));
}

function tradeOff(plot, rows) {
  const scale = Number(page.scales[plot.dataset.cost]);
  const points = rows
    // Rows without a front (batches, meaningless accuracies) are not plotted; their figures are in the table.
    .filter((row) => row.front !== null && row[plot.dataset.cost] !== null)
    .map((row) => ({ row, cost: row[plot.dataset.cost] / scale }));
  const costs = points.map((point) => point.cost);
  const low = Math.min(...costs), high = Math.max(...costs);
  const logarithmic = low > 0 && high / low > 4;
  // One for each machine and test set, as artifacts are not compared across these.
  const lines = page.fronts.map((_, number) => front(points.filter((point) => point.row.front === number)));
  const line = lines.flat();
  const winners = new Set(line);
  const worst = Math.min(...points.map((point) => point.row.low ?? point.row.accuracy));
  const best = Math.max(...points.map((point) => point.row.high ?? point.row.accuracy));
  const share = (value, from, to) => (to > from ? (value - from) / (to - from) : 0);
  const across = (point) =>
    logarithmic ? share(Math.log(point.cost), Math.log(low), Math.log(high)) : share(point.cost, low, high);
  const named = labelled(line, (point) => [across(point), share(point.row.accuracy, worst, best)]);
  const traces = lines.map((joined, number) => ({
    x: joined.map((point) => point.cost), y: joined.map((point) => 100 * point.row.accuracy), mode: "lines",
    line: { dash: page.fronts[number].dash, width: 1.5, shape: "hv", color: "#6b7280" },
    name: escaped(page.fronts[number].name), hoverinfo: "skip",
  }));
  for (const model of new Set(points.map((point) => point.row.model))) {
    const own = points.filter((point) => point.row.model === model);
    const colour = page.colours[model];
    traces.push({
      x: own.map((point) => point.cost), y: own.map((point) => 100 * point.row.accuracy),
      mode: "markers+text", cliponaxis: false, name: escaped(model),
      text: own.map((point) => (named.has(point) ? escaped(point.row.short) : "")),
      // Toward the middle, to keep long names inside the plot.
      textposition: own.map((point) => (across(point) < 0.4 ? "bottom right" : "top left")), textfont: { size: 11 },
      hovertext: own.map((point) => point.row.hover.map(escaped).join("<br>")), hoverinfo: "text",
      error_y: {
        type: "data", symmetric: false, color: colour, thickness: 1, width: 0,
        array: own.map(({ row }) => 100 * ((row.high ?? row.accuracy) - row.accuracy)),
        arrayminus: own.map(({ row }) => 100 * (row.accuracy - (row.low ?? row.accuracy))),
      },
      marker: {
        color: colour, symbol: own.map((point) => point.row.symbol),
        size: own.map((point) => (winners.has(point) ? 12 : 8)), opacity: 0.9, line: { width: 0 },
      },
    });
  }
  const x = axis(plot.dataset.axis + (logarithmic ? " (log scale)" : ""));
  if (logarithmic) {
    const ticks = decades(low, high);
    const room = 0.08 * Math.log10(high / low);
    Object.assign(x, {
      type: "log", tickvals: ticks, ticktext: ticks.map((tick) => tick.toLocaleString("en", { maximumFractionDigits: 6 })),
      range: [Math.log10(low) - 2 * room - 0.05, Math.log10(high) + room + 0.05],
    });
  } else if (points.length) {
    const room = Math.max(high - low, 0.1 * high) || 1;
    x.range = [low - 0.2 * room, high + 0.1 * room];
  }
  return [traces, { ...base(), xaxis: x, yaxis: axis("top-1 accuracy, %") }];
}

function phaseLines(phases) {
  const edges = phases.slice(1).map((phase) => phase.first - 0.5);
  return {
    shapes: edges.map((edge) => ({ type: "line", x0: edge, x1: edge, yref: "paper", y0: 0, y1: 1, line: { dash: "dot", width: 1, color: "#6b7280" } })),
    annotations: phases.map((phase) => ({ x: (phase.first + phase.last) / 2, yref: "paper", y: 1, yanchor: "bottom", text: escaped(phase.name), showarrow: false, font: { size: 11 } })),
  };
}

const curve = (history, key, name, scale, colour, dash) => ({
  x: history.map((row) => row.epoch), y: history.map((row) => (row[key] === null ? null : scale * row[key])),
  mode: history.length > 40 ? "lines" : "lines+markers", name: escaped(name), line: { color: colour, dash, width: 2 }, marker: { size: 4 },
  hovertemplate: "%{y:.4~g}<extra>%{fullData.name}</extra>",
});
const epochs = (last) => ({ ...axis("epoch"), tickformat: "d", range: [0.5, last + 0.5], ...(last <= 12 ? { dtick: 1 } : {}) });
const length = (run) => run.history.reduce((last, row) => Math.max(last, row.epoch), 1);
const legend = { showlegend: true, legend: { orientation: "h", x: 1, xanchor: "right", y: 0, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)" }, hovermode: "x unified" };

function training(plot) {
  const run = page.runs[Number(plot.dataset.run)];
  const what = plot.dataset.what, scale = what === "accuracy" ? 100 : 1;
  const traces = [
    curve(run.history, what, "training", scale, "#0072B2", "dash"),
    curve(run.history, `val_${what}`, "validation", scale, "#D55E00", "solid"),
  ];
  const corner = what === "accuracy" ? { y: 0, yanchor: "bottom" } : { y: 1, yanchor: "top" };
  const layout = { ...base(), ...legend, ...phaseLines(run.phases), xaxis: epochs(length(run)), yaxis: axis("") };
  return [traces, { ...layout, legend: { ...legend.legend, ...corner }, margin: { l: 44, r: 12, t: 24, b: 44 } }];
}

function runs() {
  const traces = page.runs.map((run) => curve(run.history, "val_accuracy", run.name, 100, page.colours[run.model], "solid"));
  return [traces, { ...base(), ...legend, xaxis: epochs(Math.max(...page.runs.map(length))), yaxis: axis("") }];
}

const charts = { "trade-off": tradeOff, curve: training, runs };
const plots = [...document.querySelectorAll(".plot")];
let shown = page.rows;

function draw(plot) {
  const [traces, layout] = charts[plot.dataset.chart](plot, shown);
  return Plotly.react(plot, traces, layout, config);
}

// In print, charts are scaled by their viewBox; see page.css.
function rememberShape(plot) {
  for (const svg of plot.querySelectorAll(".main-svg")) {
    const { width, height } = svg;
    svg.setAttribute("viewBox", `0 0 ${width.baseVal.value} ${height.baseVal.value}`);
    plot.style.setProperty("--shape", `${width.baseVal.value} / ${height.baseVal.value}`);
  }
}

function filter() {
  const allowed = {};
  for (const set of document.querySelectorAll("#filters fieldset")) {
    allowed[set.dataset.facet] = new Set([...set.querySelectorAll("input:checked")].map((box) => box.value));
  }
  const fits = (row) => Object.entries(allowed).every(([key, values]) => values.has(String(row[key] ?? "")));
  shown = page.rows.filter(fits);
  const visible = new Set(shown.map((row) => String(row.id)));
  for (const line of document.querySelectorAll("[data-row]")) line.hidden = !visible.has(line.dataset.row);
  for (const plot of plots) if (plot.dataset.chart === "trade-off" && window.Plotly) draw(plot);
}

function sortBy(heading) {
  const table = heading.closest("table"), body = table.tBodies[0];
  const column = heading.cellIndex, ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const value = (line) => line.cells[column].dataset.value;
  const compare = (a, b) => (isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  const lines = [...body.rows];
  lines.sort((one, other) => {
    const a = value(one), b = value(other);
    // Missing values come last in either direction.
    if (a === "" || b === "") return (a === "") - (b === "");
    return ascending ? compare(a, b) : compare(b, a);
  });
  body.append(...lines);
}

document.getElementById("filters")?.addEventListener("change", filter);
document.getElementById("filters")?.addEventListener("submit", (event) => event.preventDefault());
for (const heading of document.querySelectorAll(".sortable thead th")) heading.addEventListener("click", () => sortBy(heading));

// The library is embedded compressed (2 MB instead of 5) and decompressed by the browser.
async function library() {
  const packed = document.getElementById("plotly-gzip-base64");
  const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
  const script = document.createElement("script");
  script.textContent = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  document.head.append(script);
}

async function start() {
  if (!plots.length) return;
  if (!window.DecompressionStream) {
    const hint = document.getElementById("no-charts");
    hint.textContent = "The charts need a browser from 2023 or later. The tables contain every figure.";
    hint.hidden = false;
    return;
  }
  await library();
  for (const plot of plots) {
    await draw(plot);
    plot.on("plotly_afterplot", () => rememberShape(plot));
    rememberShape(plot);
  }
  document.documentElement.dataset.charts = "drawn";
}
start();
