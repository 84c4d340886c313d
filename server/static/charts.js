// Draws every [data-chart] with vega-embed. Expressions are interpreted, not compiled, so that the page needs no
// 'unsafe-eval'; colours come from the style sheet and follow its light and dark side.
const dark = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const font = of("--sans");
  const ramp = [1, 2, 3, 4, 5, 6].map((step) => of(`--ramp-${step}`));
  const text = { labelFont: font, titleFont: font, labelFontSize: 13, titleFontSize: 14, titleFontWeight: 600,
    labelColor: of("--muted"), titleColor: of("--ink") };
  return {
    background: "transparent",
    font,
    axis: { ...text, gridColor: of("--line"), domainColor: of("--muted"), tickColor: of("--line"), titlePadding: 10 },
    legend: { ...text, symbolSize: 90 },
    range: { ordinal: ramp, category: ramp },
    view: { stroke: null },
  };
}

async function draw(box) {
  const answer = await fetch(box.dataset.chart, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`The chart did not load (${answer.status}).`);
  const spec = await answer.json();
  const render = () =>
    vegaEmbed(box, spec, {
      actions: false, ast: true, config: theme(), defaultStyle: false, renderer: "svg",
      tooltip: { disableDefaultStyle: true },
    });
  await render();
  dark.addEventListener("change", render);
}

for (const box of document.querySelectorAll("[data-chart]")) {
  draw(box).catch((error) => {
    box.textContent = `${error.message} The table below has the same points.`;
  });
}
