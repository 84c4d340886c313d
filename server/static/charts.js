// Draws every [data-chart] with vega-embed: at once where the page has no picture of it, else when somebody points at the
// picture or uses something beside it. Only then are Vega's scripts loaded, which [data-libraries] of this script lists.
// Expressions are interpreted, not compiled, so that the page needs no 'unsafe-eval'; colours and the styles that
// specifications name come from the style sheet and follow its light and dark side. Beside a chart there may be a choice
// of the axis that colours it (data-axes-of) and buttons that save it as a file (data-saves).
const libraries = document.currentScript.dataset.libraries?.split(" ") ?? [];
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

let loading;

function loadLibraries() {
  loading ??= Promise.all(libraries.map((address) => new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.async = false; // they run in this order
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error("The library that draws charts did not load.")));
    script.src = address;
    document.head.append(script);
  })));
  loading.catch(() => { loading = undefined; });
  return loading;
}

// What is in the box stays until the new picture is complete.
async function draw(box, stage) {
  const answer = await fetch(box.dataset.chart, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`The chart did not load (${answer.status}).`);
  const spec = await answer.json();
  await loadLibraries();
  const render = async () => {
    const embedded = await vegaEmbed(stage, spec, {
      actions: false, ast: true, config: theme(), defaultStyle: false, renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    });
    const picture = stage.querySelector("svg");
    picture.setAttribute("role", "img"); // with one name and a table beside it: a hundred points read out help nobody
    picture.setAttribute("aria-label", spec.description ?? "");
    drawn.set(box, { view: embedded.view, render });
  };
  await render();
  box.replaceChildren(stage);
  showBeside(box);
}

async function tryToDraw(box) {
  const stage = document.createElement("div");
  stage.className = "stage";
  box.append(stage);
  try {
    await draw(box, stage);
  } catch (error) {
    console.error(error);
    stage.remove();
    begun.delete(box); // the next one who points at it tries again
    if (!box.querySelector("svg")) box.textContent = `${error.message} The table has the same numbers.`;
  }
}

function showBeside(box) {
  for (const beside of besides(box)) beside.hidden = false;
}

function besides(box) {
  return document.querySelectorAll(`[data-saves="${box.id}"], [data-axes-of="${box.id}"]`);
}

// On paper of the page's colour: a file is looked at elsewhere.
async function save(box, kind) {
  await begin(box);
  if (!drawn.has(box)) return;
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
const begun = new Map();

function begin(box) {
  if (!begun.has(box)) begun.set(box, tryToDraw(box));
  return begun.get(box);
}

async function drawAll() {
  for (const box of document.querySelectorAll("[data-chart]")) {
    if (begun.has(box) || box.querySelector("svg") || !box.checkVisibility()) continue;
    await begin(box);
  }
}

for (const box of document.querySelectorAll("[data-chart]")) {
  if (!box.querySelector("svg")) continue;
  showBeside(box);
  for (const part of [box, ...besides(box)]) {
    for (const kind of ["pointerenter", "click", "focusin"]) part.addEventListener(kind, () => begin(box));
  }
}

drawAll();
document.addEventListener("toggle", drawAll, true);

for (const choice of document.querySelectorAll("[data-axes-of]")) {
  const box = document.getElementById(choice.dataset.axesOf);
  const address = box.dataset.chart;
  choice.addEventListener("change", async (event) => {
    await begun.get(box);
    box.dataset.chart = `${address}?axis=${event.target.value}`;
    begun.set(box, tryToDraw(box));
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
