// On a submission's page: updates the elapsed time, and deletes the draft of the submit form once it was received.
const status = document.getElementById("status");
const skew = Date.now() - Date.parse(status?.dataset.now);  // this machine's clock against the server's

// As `elapsed` of server/presentation/eta_sentences.py writes it.
function elapsed(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

// The polled part is replaced again and again, so its seconds are looked up at each tick.
function tick() {
  for (const node of document.querySelectorAll("[data-since]")) {
    node.textContent = elapsed(Date.now() - skew - Date.parse(node.dataset.since));
  }
}
setInterval(tick, 1000);

for (const key of Object.keys(sessionStorage)) {
  if (key.startsWith("gengap-draft:") && JSON.parse(sessionStorage[key]).isSent) sessionStorage.removeItem(key);
}
