"""Charts as Vega-Lite specifications, drawn by static/charts.js."""
