// Draws every [data-chart] with vega-embed. Expressions are interpreted, not compiled, so that
// the page needs no 'unsafe-eval'; colours and the styles that specifications name come from the style sheet and follow
// its light and dark side. Beside a chart there may be a choice of the axis that colours it (data-axes-of) and buttons
// that save it as a file (data-saves).
const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map(); // box → its view, and how it is drawn again

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function theme() {
  const font = colour("--sans");
  const ramp = [1, 2, 3, 4, 5, 6].map((step) => colour(`--ramp-${step}`));
  const text = { labelFont: font, titleFont: font, labelFontSize: 13, titleFontSize: 14, titleFontWeight: 600,
    labelColor: colour("--muted"), titleColor: colour("--ink") };
  return {
    background: "transparent",
    font,
    axis: { ...text, gridColor: colour("--line"), domainColor: colour("--muted"), tickColor: colour("--line"),
      titlePadding: 10 },
    legend: { ...text, symbolSize: 90 },
    range: { ordinal: ramp, category: ramp, ramp: [ramp[0], ramp[1], ramp[3], ramp[4]],
      heatmap: [colour("--wash"), colour("--accent")] },
    view: { stroke: null },
    style: {
      strong: { color: colour("--accent") },
      wrong: { color: colour("--gap") },
      line: { color: colour("--accent"), strokeWidth: 2.5 },
      dot: { color: colour("--accent"), filled: true, size: 56, opacity: 0.85 },
      quiet: { color: colour("--muted"), strokeDash: [5, 4] },
      frame: { fillOpacity: 0, stroke: colour("--gap"), strokeWidth: 3, strokeOpacity: 1 },
      "on-weak": { color: colour("--ink"), font, fontSize: 13 },
      "on-strong": { color: colour("--accent-ink"), font, fontSize: 13 },
    },
  };
}

async function draw(box) {
  const answer = await fetch(box.dataset.chart, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`The chart did not load (${answer.status}).`);
  const spec = await answer.json();
  const render = async () => {
    const embedded = await vegaEmbed(box, spec, {
      actions: false, ast: true, config: theme(), defaultStyle: false, renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    });
    const picture = box.querySelector("svg");
    picture.setAttribute("role", "img"); // with one name and a table beside it: a hundred points read out help nobody
    picture.setAttribute("aria-label", spec.description ?? "");
    drawn.set(box, { view: embedded.view, render });
  };
  await render();
  for (const beside of document.querySelectorAll(`[data-saves="${box.id}"], [data-axes-of="${box.id}"]`)) {
    beside.hidden = false;
  }
}

async function tryToDraw(box) {
  try {
    await draw(box);
  } catch (error) {
    box.textContent = `${error.message} The table has the same numbers.`;
  }
}

// On paper of the page's colour: a file is looked at elsewhere.
async function save(box, kind) {
  const { view } = drawn.get(box);
  await view.background(colour("--raised")).runAsync();
  const address = await view.toImageURL(kind, kind === "png" ? 2 : 1);
  await view.background("transparent").runAsync();
  const link = document.createElement("a");
  link.href = address;
  link.download = `${box.dataset.name}.${kind}`;
  link.click();
}

// One after the other, from the top, so that the page stays alive in between; what is folded up waits until it is not.
const begun = new Set();

async function drawAll() {
  for (const box of document.querySelectorAll("[data-chart]")) {
    if (begun.has(box) || !box.checkVisibility()) continue;
    begun.add(box);
    await tryToDraw(box);
  }
}

drawAll();
document.addEventListener("toggle", drawAll, true);

for (const choice of document.querySelectorAll("[data-axes-of]")) {
  const box = document.getElementById(choice.dataset.axesOf);
  const address = box.dataset.chart;
  choice.addEventListener("change", (event) => {
    box.dataset.chart = `${address}?axis=${event.target.value}`;
    tryToDraw(box);
  });
}

for (const saves of document.querySelectorAll("[data-saves]")) {
  saves.addEventListener("click", (event) => {
    const kind = event.target.dataset.save;
    if (kind) save(document.getElementById(saves.dataset.saves), kind);
  });
}

dark.addEventListener("change", () => {
  for (const { render } of drawn.values()) render();
});
