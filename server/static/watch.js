// On a submission's page: seconds that tick, and the end of a draft that has arrived.
const begun = (node) => Date.parse(node.dataset.since);

// As the filter `elapsed` of server/pages/formats.py writes it.
function elapsed(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function tick() {
  for (const node of document.querySelectorAll("[data-since]")) node.textContent = elapsed(Date.now() - begun(node));
}
setInterval(tick, 1000);

for (const key of Object.keys(sessionStorage)) {
  if (key.startsWith("gengap-draft:") && JSON.parse(sessionStorage[key]).isSent) sessionStorage.removeItem(key);
}
