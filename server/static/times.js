// Times in the reader's own zone, with the UTC time as a tooltip; countdowns that count. Without this script pages say UTC.
const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const named = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });
const zoneName = named.formatToParts(new Date()).find((part) => part.type === "timeZoneName")?.value ?? "";

for (const time of document.querySelectorAll("time[data-moment]")) {
  time.title = time.textContent;
  time.textContent = `${zone.format(new Date(time.dateTime))} ${zoneName}`;
}

function left(seconds) {
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${Math.floor(seconds) % 60} s`;
}

const countdowns = [...document.querySelectorAll("[data-countdown]")];
function tick() {
  for (const one of countdowns) {
    const seconds = (new Date(one.dataset.countdown) - Date.now()) / 1000;
    one.textContent = seconds > 0 ? `${one.dataset.before} ${left(seconds)}` : one.dataset.after;
  }
}
if (countdowns.length > 0) {
  tick();
  setInterval(tick, 1000);
}
