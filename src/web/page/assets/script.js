// What the page does more than stand there.
const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const tell = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// The zone: the browser's, or UTC; kept where that is allowed.
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
let utc = false;
try { utc = localStorage.zone === "utc"; } catch {}
const shift = (time) => utc ? 0 : new Date(time).getTimezoneOffset() * -6e4;
const text = (time, from, to) => new Date(time + shift(time)).toISOString().slice(from, to).replace("T", " ");
// Where the browser's clock is behind the server's.
const stamp = one("footer time");
const ahead = Math.max(0, Date.parse(stamp.dateTime) - Date.now());
const age = (time) => {
  let rest = Math.floor((Date.now() + ahead - time) / 1000);
  if (rest < 1) return "now";
  const words = [];
  for (const [length, name] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
    if (words.length || rest >= length) words.push(rest >= length && Math.floor(rest / length) + "\u00a0" + name);
    rest %= length;
  }
  return words.slice(0, 2).filter(Boolean).join("\u00a0") + "\u00a0ago";
};
const forms = {
  age, full: (time) => text(time, 0, 19), second: (time) => text(time, 11, 19), time: (time) => text(time, 11, 16),
  day: (time) => text(time, 11, 16) === "00:00" ? text(time, 5, 10) : text(time, 5, 16),
};
const write = (root = document) => all("[data-form]", root).forEach((node) =>
  tell(node, forms[node.dataset.form](node.dateTime ? Date.parse(node.dateTime) : +node.dataset.time)));

// Forms show the zone's times, and send UTC.
const inputs = all("[data-times] input[type=datetime-local]");
const fill = () => inputs.forEach((input) => {
  input.time ??= Date.parse(input.value + "Z");
  input.value = text(input.time, 0, 16).replace(" ", "T");
  input.oninput = () => { input.time = new Date(input.value + (utc ? "Z" : "")).getTime(); };
});
all("[data-times]").forEach((form) => form.addEventListener("formdata", (event) =>
  inputs.forEach((input) => event.formData.set(input.name, new Date(input.time).toISOString().slice(0, 19) + "Z"))));
const zone = one("#zone"), button = document.createElement("button");
const show = () => {
  const name = utc ? "UTC" : own;
  zone.textContent = "Times are " + name + ". ";
  button.textContent = "Show " + (utc ? own : "UTC");
  zone.append(button);
  all(".zone").forEach((node) => tell(node, "(" + name + ")"));
  fill();
  write();
};
button.onclick = () => {
  utc = !utc;
  try { localStorage.zone = utc ? "utc" : "browser"; } catch {}
  show();
  button.focus();
};
show();
setInterval(write, 1000);

// Pointer and arrows read a chart.
const read = (figure) => {
  const table = document.getElementById(figure.dataset.table);
  const rows = all("tr[data-step]", table ?? figure).sort((a, b) => a.dataset.step - b.dataset.step);
  const start = (row) => Date.parse(one("time", row).dateTime);
  let at = -1;
  const pick = (step) => {
    at = Math.max(0, Math.min(step, rows.length - 1));
    const heads = all("th", table), row = rows[at];
    tell(one(".reading", figure), all("td", row).map((cell, n) => (n ? heads[n].textContent + ": " : "") + cell.textContent).join(" · "));
    rows.forEach((other) => other.classList.toggle("picked", other === row));
    all("svg.chart", figure).forEach((svg) => {
      const { left, right, top, bottom, from, to } = svg.dataset;
      const x = +left + Math.max(0, (start(row) - from) / (to - from)) * (right - left);
      one(".cross", svg).setAttribute("d", `M${x} ${top}V${bottom}`);
    });
  };
  if (!rows.length) return;
  figure.onpointerleave = figure.onblur = () => rows.forEach((row) => row.classList.remove("picked"));
  figure.onpointermove = (event) => {
    const svg = event.target.closest("svg.chart");
    if (!svg) return;
    const { left, right, from, to } = svg.dataset, box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    const time = +from + (x - left) / (right - left) * (to - from);
    pick(rows.findLastIndex((row) => start(row) <= time));
  };
  figure.onkeydown = ({ key }) => {
    const step = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: rows.length }[key];
    if (step !== undefined) pick(step);
  };
};
const charts = () => all("figure[data-table]").forEach(read);
charts();

// An event says that something is new: the page asks for itself.
const state = one("#live"), path = document.body.dataset.live;
const say = (words, name) => { tell(state, words); state.className = name; };
let waits = false, asked = 0, lost = 0;
const fresh = async () => {
  asked = Date.now();
  waits = false;
  const answer = await fetch(location.href).catch(() => ({}));
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  all("main [data-live]").forEach((old) => {
    const young = one(`main [data-live=${old.dataset.live}]`, page);
    // What is being read stays.
    if (!young || old.contains(document.activeElement) || one(".picked", old) || !getSelection().isCollapsed) return;
    const places = all(".scroll", old).map((node) => node.scrollLeft);
    write(young);
    old.replaceWith(young);
    all(".scroll", young).forEach((node, n) => { node.scrollLeft = places[n] || 0; });
  });
  stamp.dateTime = one("footer time", page).dateTime;
  charts();
  write();
};
const soon = () => {
  if (waits) return;
  waits = true;
  const wait = () => document.hidden ? setTimeout(wait, 1000) : fresh();
  setTimeout(wait, Math.max(700, asked + +document.body.dataset.pause - Date.now()));
};
if (path) {
  const stream = new EventSource(path);
  stream.onopen = () => { say("live", "on"); if (lost) soon(); lost = 0; };
  stream.onerror = () => {
    lost ||= Date.now();
    say(stream.readyState === 2 ? "not live" : "reconnecting since " + forms.second(lost), "off");
  };
  ["window", "stored", "gap", "alerts", "status", "missed"].forEach((kind) => stream.addEventListener(kind, soon));
}
