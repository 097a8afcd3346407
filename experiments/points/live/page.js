"use strict";
// The server trains and answers /shot with the next picture. This script draws it and sends actions.

const $ = (id) => document.getElementById(id);
const main = $("main");
const plane = $("plane");
const shown = new Set();
const LONGEST = 20000; // most points of the curves, as on the server
const ENDED = "The command that serves this page has ended.";
let choices = null; // answer of /choices
let shot = null; // the last picture: facts and arrays
let real = null; // real points of cloud number realOf
let realOf = 0;
let curve = []; // thinned to at most LONGEST points
let curveOf = 0; // number of the training that the curve belongs to
let strokes = null; // strokes of the current drawing, if there is one
let colours = {};
let arrived = []; // arrival times of the last pictures

// Colours come from the style sheet, which has a light and a dark scheme.

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "soft", "line", "real", "fake", "average", "pull", "grid", "low", "mid", "high"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

function rgb(text) {
  return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
}

function canvasOf(canvas) {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const { width, height } = canvas.getBoundingClientRect();
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

// The picture.

const small = document.createElement("canvas");

function drawField(pen, width, height, scores) {
  const [columns, rows] = choices.field;
  const sorted = Float32Array.from(scores).sort();
  if (!Number.isFinite(sorted[0]) || !Number.isFinite(sorted[sorted.length - 1])) return;
  // Ranks keep the contrast of the field however steep the scores get.
  const levels = [];
  for (let i = 0; i <= 12; i++) {
    const level = sorted[Math.round((i / 12) * (sorted.length - 1))];
    if (!levels.length || level > levels[levels.length - 1]) levels.push(level);
  }
  if (levels.length < 3) return;
  const [low, mid, high] = [colours.low, colours.mid, colours.high].map(rgb);
  [small.width, small.height] = [columns, rows];
  const inner = small.getContext("2d");
  const image = inner.createImageData(columns, rows);
  for (let i = 0; i < scores.length; i++) {
    let k = 1;
    while (k < levels.length - 1 && scores[i] > levels[k]) k++;
    const within = (scores[i] - levels[k - 1]) / (levels[k] - levels[k - 1]);
    const share = (k - 1 + Math.min(1, Math.max(0, within))) / (levels.length - 1);
    const [from, to, part] = share < 0.5 ? [low, mid, 2 * share] : [mid, high, 2 * share - 1];
    const at = 4 * ((rows - 1 - Math.floor(i / columns)) * columns + (i % columns));
    for (let c = 0; c < 3; c++) image.data[at + c] = from[c] + part * (to[c] - from[c]);
    image.data[at + 3] = 255;
  }
  inner.putImageData(image, 0, 0);
  pen.imageSmoothingEnabled = true;
  // The outermost scores lie on the edge, so pixel centres there must, too.
  const [dx, dy] = [width / (columns - 1) / 2, height / (rows - 1) / 2];
  pen.drawImage(small, -dx, -dy, width + 2 * dx, height + 2 * dy);
}

function drawPoints(pen, width, height, points, colour, size) {
  pen.fillStyle = colour;
  pen.globalAlpha = 0.75;
  pen.beginPath();
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i] * width, (1 - points[i + 1]) * height];
    if (!(x > -9 && x < width + 9 && y > -9 && y < height + 9)) continue;
    pen.moveTo(x + size, y);
    pen.arc(x, y, size, 0, 2 * Math.PI);
  }
  pen.fill();
  pen.globalAlpha = 1;
}

function drawArrows(pen, width, height, fake, pull) {
  const lengths = [];
  for (let i = 0; i < pull.length; i += 2) lengths.push(Math.hypot(pull[i] * width, pull[i + 1] * height));
  const sorted = lengths.filter(Number.isFinite).sort((a, b) => a - b);
  const usual = sorted[Math.floor(0.9 * (sorted.length - 1))];
  if (!(usual > 0)) return;
  const scale = (0.06 * width) / usual;
  pen.strokeStyle = colours.pull;
  pen.lineWidth = 1.4;
  pen.beginPath();
  lengths.forEach((length, k) => {
    if (!(length > 0)) return;
    const far = Math.min(length * scale, 0.15 * width);
    const [ux, uy] = [(pull[2 * k] * width) / length, (-pull[2 * k + 1] * height) / length];
    const [x, y] = [fake[2 * k] * width, (1 - fake[2 * k + 1]) * height];
    const [tx, ty] = [x + ux * far, y + uy * far];
    const head = Math.min(5, 0.4 * far);
    pen.moveTo(x, y);
    pen.lineTo(tx, ty);
    pen.moveTo(tx - head * (ux - 0.6 * uy), ty - head * (uy + 0.6 * ux));
    pen.lineTo(tx, ty);
    pen.lineTo(tx - head * (ux + 0.6 * uy), ty - head * (uy - 0.6 * ux));
  });
  pen.stroke();
}

function drawGrid(pen, width, height, grid) {
  pen.strokeStyle = colours.grid;
  pen.lineWidth = 1.2;
  pen.globalAlpha = 0.85;
  pen.beginPath();
  for (let i = 0; i < grid.length; i += 2) {
    const place = [grid[i] * width, (1 - grid[i + 1]) * height];
    if ((i / 2) % choices.nodes === 0) pen.moveTo(...place);
    else pen.lineTo(...place);
  }
  pen.stroke();
  pen.globalAlpha = 1;
}

function drawStrokes(pen, width, height) {
  pen.strokeStyle = colours.real;
  pen.lineWidth = 0.03 * height;
  pen.lineCap = pen.lineJoin = "round";
  for (const stroke of strokes) {
    pen.beginPath();
    stroke.forEach(([x, y], i) => {
      const place = [(x / choices.aspect) * width, (1 - y) * height];
      if (i === 0) pen.moveTo(...place);
      pen.lineTo(...place);
    });
    pen.stroke();
  }
  if (strokes.length) return;
  pen.fillStyle = colours.soft;
  pen.font = "1rem system-ui, sans-serif";
  pen.textAlign = "center";
  pen.fillText("Draw here with the mouse, a pen or a finger", width / 2, height / 2);
}

function drawPlane() {
  const [pen, width, height] = canvasOf(plane);
  if (strokes) return drawStrokes(pen, width, height);
  if (!shot || !choices) return;
  const size = Math.max(1.3, width / 480);
  if (shown.has("field")) drawField(pen, width, height, shot.scores);
  if (shown.has("real") && real) drawPoints(pen, width, height, real, colours.real, size);
  if (shown.has("grid")) drawGrid(pen, width, height, shot.grid);
  if (shown.has("fake")) drawPoints(pen, width, height, shot.fake, colours.fake, size);
  if (shown.has("pull")) drawArrows(pen, width, height, shot.fake, shot.pull);
}

// The curves.

function drawCurve(canvas, columns, paint, level) {
  const [pen, width, height] = canvasOf(canvas);
  const known = curve.filter((point) => columns.every((c) => Number.isFinite(point[c])));
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = colours.soft;
  if (known.length < 2) return pen.fillText("appears once training starts", 4, height / 2);
  const axis = level === undefined ? (y) => y : (y) => Math.log(Math.max(y, 1e-3));
  const values = known.flatMap((point) => columns.map((c) => axis(point[c]))).sort((a, b) => a - b);
  const at = (share) => values[Math.round(share * (values.length - 1))];
  let [low, high] = level === undefined ? [at(0.01), at(0.99)] : [Math.min(axis(1), at(0)), at(1)];
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  const [left, top, bottom] = [44, 8, height - 16];
  const [first, last] = [known[0][1], known[known.length - 1][1]];
  const x = (step) => left + ((width - left - 2) * (step - first)) / Math.max(1, last - first);
  const y = (value) => bottom - ((bottom - top) * (Math.min(high, Math.max(low, value)) - low)) / (high - low);
  pen.strokeStyle = colours.line;
  pen.beginPath();
  for (const line of level === undefined ? [low, high] : [low, high, axis(level)]) {
    pen.moveTo(left, y(line));
    pen.lineTo(width, y(line));
  }
  pen.stroke();
  const back = level === undefined ? (v) => v : Math.exp;
  pen.textAlign = "right";
  pen.fillText(number(back(high)), left - 5, y(high) + 4);
  pen.fillText(number(back(low)), left - 5, y(low) + 4);
  pen.fillText(`update ${last}`, width - 2, height - 3);
  pen.textAlign = "left";
  pen.fillText(String(first), left, height - 3);
  const stride = Math.max(1, Math.floor(known.length / (2 * width)));
  columns.forEach((column, k) => {
    pen.strokeStyle = paint[k];
    pen.lineWidth = 1.5;
    pen.setLineDash(k ? [5, 3] : []);
    pen.beginPath();
    for (let i = 0; i < known.length; i += stride) {
      pen.lineTo(x(known[i][1]), y(axis(known[i][column])));
    }
    pen.stroke();
  });
  pen.setLineDash([]);
}

function drawCurves() {
  drawCurve($("losses"), [2, 3], [colours.fake, colours.average]);
  drawCurve($("fits"), [4, 5], [colours.fake, colours.average], 1);
}

function number(value) {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

// Messages and numbers.

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

let said = ""; // the server's last message

function write(facts) {
  Object.assign(main.dataset, {
    number: facts.number, step: facts.step, playing: facts.playing, start: facts.start,
    status: facts.status, acts: facts.acts, data: facts.data,
  });
  $("step").textContent = `${facts.step} of ${facts.updates}`;
  $("epoch").textContent = `${facts.epoch} of ${facts.settings.epochs}`;
  $("fit").textContent = facts.fit[0] === null ? "–" : facts.fit.map(number).join(", average ");
  const [reached, all, quality] = facts.modes || [];
  $("modes").textContent = facts.modes ? `${reached} of ${all}, ${(100 * quality).toFixed(0)} % of samples` : "not known";
  $("play").textContent = facts.playing ? "Pause" : "Play";
  const words = { compiling: "Compiling …", saving: "Saving, measuring the fit …" }[facts.status] || facts.message;
  if (words !== said) {
    said = words;
    say(words || "");
  }
  const [left, right, bottom, top] = facts.extent;
  $("lowest").textContent = `${plain(left)}, ${plain(bottom)}`;
  $("highest").textContent = `${plain(right)}, ${plain(top)}`;
  put($("speed"), facts.speed);
  for (const field of $("settings").elements) {
    if (!field.name) continue;
    const value = facts.settings[field.name];
    field.disabled = value === null;
    put(field, value === null ? "" : String(value));
  }
  const source = $("source");
  const other = choices.cloud.includes(facts.data) ? "" : { drawn: "drawn by hand", file: "a file" }[facts.data] || facts.data;
  source.querySelector("option[data-other]")?.remove();
  if (other) {
    source.append(new Option(other, facts.data));
    source.lastChild.dataset.other = "";
  }
  put(source, facts.data);
  if (document.activeElement !== $("name") && $("name").dataset.last !== facts.name) {
    $("name").value = $("name").dataset.last = facts.name;
  }
  $("exact").textContent = facts.acts
    ? "You changed settings or single networks during the training. The saved run keeps the current state; its command starts a new training with the last settings."
    : "The command makes the same run: it resumes the saved one and trains to the end.";
}

function plain(value) {
  return String(Number(value.toPrecision(3)));
}

/** Show a value in a field, unless the user is editing it. */
function put(field, value) {
  if (document.activeElement === field && field.tagName === "INPUT") return;
  if (field.tagName === "SELECT" && ![...field.options].some((x) => x.value === value)) {
    field.append(new Option(value, value));
  }
  if (field.value !== value) field.value = value;
}

// Talking to the server.

async function act(name, given = {}) {
  try {
    const answer = await fetch("/act", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ act: name, ...given }),
    });
    return await told(answer);
  } catch {
    say(ENDED, true);
    return null;
  }
}

/** The server's answer to an action; null and a message if it refused or failed. */
async function told(answer) {
  if (!(answer.headers.get("content-type") || "").startsWith("application/json")) {
    say(wrong(answer), true);
    return null;
  }
  const words = await answer.json();
  if (words.error !== undefined) {
    say(words.error, true);
    return null;
  }
  return words.answer;
}

function wrong(answer) {
  if (answer.status === 413) return "the file is larger than 8 MiB; start the command with --data=FILE for larger files";
  return `the server answers ${answer.status} ${answer.statusText}`;
}

function parse(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  let at = 4 + length;
  for (const [name, size] of Object.entries(facts.arrays)) {
    arrays[name] = new Float32Array(buffer, at, size);
    at += 4 * size;
  }
  return { facts, ...arrays };
}

async function watch() {
  let after = 0;
  for (;;) {
    try {
      const answer = await fetch(`/shot?after=${after}`);
      if (!answer.ok) throw new Error(wrong(answer));
      const next = parse(await answer.arrayBuffer());
      if (next.facts.number === after) continue;
      after = next.facts.number;
      await take(next);
    } catch (error) {
      // fetch raises TypeError if it cannot reach the server.
      if (after) say(error instanceof TypeError ? ENDED : error.message, true);
      after = curveOf = realOf = 0;
      await new Promise((done) => setTimeout(done, 1000));
    }
    await new Promise(requestAnimationFrame);
  }
}

async function take(next) {
  const facts = next.facts;
  if (facts.start !== curveOf) [curve, curveOf] = [[], facts.start];
  const last = curve.length ? curve[curve.length - 1][0] : 0;
  curve.push(...facts.curve.filter((point) => point[0] > last));
  // Keep the last point: new points are those after its number.
  if (curve.length > LONGEST) curve = curve.filter((_, i) => (curve.length - 1 - i) % 2 === 0);
  if (facts.cloud !== realOf) {
    const answer = await fetch("/real");
    real = new Float32Array(await answer.arrayBuffer());
    realOf = facts.cloud;
  }
  shot = next;
  write(facts);
  drawPlane();
  drawCurves();
  const now = performance.now();
  arrived = [...arrived.filter((time) => now - time < 2000), now];
  const seconds = (now - arrived[0]) / 1000;
  $("rate").textContent = facts.playing && seconds > 0.5 ? ((arrived.length - 1) / seconds).toFixed(0) : "–";
}

// Actions of the user.

function drawing(on) {
  strokes = on ? [] : null;
  plane.classList.toggle("sheet", on);
  $("pen").hidden = !on;
  $("train").hidden = on;
  drawPlane();
}

function placeOf(event) {
  const box = plane.getBoundingClientRect();
  const within = (share) => Math.min(1, Math.max(0, share));
  const x = within((event.clientX - box.left) / box.width) * choices.aspect;
  const y = within(1 - (event.clientY - box.top) / box.height);
  return [Number(x.toFixed(4)), Number(y.toFixed(4))];
}

plane.addEventListener("pointerdown", (event) => {
  if (!strokes) return;
  plane.setPointerCapture(event.pointerId);
  strokes.push([placeOf(event)]);
  drawPlane();
});
plane.addEventListener("pointermove", (event) => {
  if (!strokes || !strokes.length || !plane.hasPointerCapture(event.pointerId)) return;
  strokes[strokes.length - 1].push(placeOf(event));
  drawPlane();
});

$("play").addEventListener("click", () => act(main.dataset.playing === "true" ? "pause" : "play"));
for (const button of document.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => act("step", { of: button.dataset.step }));
}
$("reset").addEventListener("click", () => act("reset"));
$("speed").addEventListener("change", (event) => act("pace", { speed: event.target.value }));
$("usual").addEventListener("click", () => act("usual"));
$("source").addEventListener("change", (event) => {
  if (choices.cloud.includes(event.target.value)) act("choose", { cloud: event.target.value });
});
$("draw").addEventListener("click", () => {
  drawing(true);
  plane.scrollIntoView({ block: "center" });
});
$("leave").addEventListener("click", () => drawing(false));
$("wipe").addEventListener("click", () => drawing(true));
$("use").addEventListener("click", async () => {
  if ((await act("draw", { strokes })) !== null) drawing(false);
});
$("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  try {
    const answer = await fetch(`/file?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
    await told(answer);
  } catch {
    say(`${file.name} cannot be sent: it is larger than 8 MiB or was changed meanwhile`, true);
  }
});
$("settings").addEventListener("change", (event) => {
  const field = event.target;
  field.blur();
  act("change", { [field.name]: field.value });
});
for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
$("settings").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.tagName === "INPUT") event.target.blur();
});
$("save").addEventListener("submit", async () => {
  const saved = await act("save", { name: $("name").value.trim() });
  if (!saved) return;
  const whose = saved.exact ? "This command resumes it and trains to the end:" : "This command starts a new training with its last settings:";
  $("where").textContent = `Saved in ${saved.directory}, exact fit ratio ${number(saved.fit ?? NaN)}. ${whose}`;
  const words = saved.command.split(" ").map((word) => {
    const span = document.createElement("span"); // break lines between words, not at hyphens
    span.textContent = word;
    return [span, " "];
  });
  $("command").replaceChildren(...words.flat().slice(0, -1));
  $("saved").hidden = false;
});
$("copy").addEventListener("click", async () => {
  getSelection().selectAllChildren($("command"));
  try {
    await navigator.clipboard.writeText($("command").textContent);
    say("copied");
  } catch {
    say("the command is selected; copy it with the keyboard");
  }
});
for (const box of $("layers").querySelectorAll("input")) {
  const update = () => {
    if (box.checked) shown.add(box.value);
    else shown.delete(box.value);
    drawPlane();
  };
  box.addEventListener("change", update);
  if (box.checked) shown.add(box.value);
}
addEventListener("resize", () => {
  drawPlane();
  drawCurves();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  readColours();
  drawPlane();
  drawCurves();
});

async function begin() {
  readColours();
  choices = await (await fetch("/choices")).json();
  const fill = (select, names) => select.replaceChildren(...names.map((name) => new Option(name, name)));
  for (const select of $("settings").querySelectorAll("select")) fill(select, choices[select.name]);
  fill($("source"), choices.cloud);
  fill($("speed"), choices.speed);
  watch();
}
begin();
