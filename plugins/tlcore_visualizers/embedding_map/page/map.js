"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const canvas = element("map"), paint = canvas.getContext("2d");
const count = data.x.length, unit = data.unit;
const shown = new Uint8Array(count).fill(1);
const hidden = new Set();
const view = { scale: 1, x: 0, y: 0 };
let width = 1, height = 1, chosen = -1, hovered = -1, lit = -1, photos = false, drawing = false, ink = {};

// Sheets of thumbnails, decoded when the first photo of each is wanted.
const sheets = data.sheets.map(() => null);
function sheetOf(index) {
  const number = Math.floor(index / (data.columns * data.columns));
  if (!sheets[number]) {
    sheets[number] = new Image();
    sheets[number].onload = () => { draw(); tell(); };
    sheets[number].src = data.sheets[number];
  }
  return sheets[number].complete && sheets[number].naturalWidth ? sheets[number] : null;
}
function place(target, index, left, top, across, down) {
  const sheet = sheetOf(index), cell = index % (data.columns * data.columns);
  if (!sheet || !data.w[index]) return false;
  target.imageSmoothingEnabled = true;
  target.drawImage(sheet, (cell % data.columns) * data.side, Math.floor(cell / data.columns) * data.side,
    data.w[index], data.h[index], left, top, across, down);
  return true;
}

const mistaken = (index) => data.wrong.length > 0 && data.wrong[index] === 1;
const base = () => Math.min(width, height) - 48;
const screenX = (index) => (data.x[index] / unit - 0.5 - view.x) * base() * view.scale + width / 2;
const screenY = (index) => (data.y[index] / unit - 0.5 - view.y) * base() * view.scale + height / 2;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "soft", "wrong", "focus"]) ink[name] = style.getPropertyValue(`--${name}`).trim();
}
function resize() {
  const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  width = Math.max(1, box.width); height = Math.max(1, box.height);
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  paint.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw();
}
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; drawNow(); });
}
function inView() {
  const found = [];
  for (let i = 0; i < count; i++) {
    if (!shown[i]) continue;
    const x = screenX(i), y = screenY(i);
    if (x > -40 && x < width + 40 && y > -40 && y < height + 40) found.push(i);
  }
  return found;
}
function drawNow() {
  paint.clearRect(0, 0, width, height);
  const found = inView();
  const radius = Math.min(9, (count > 4000 ? 2.4 : count > 800 ? 3.4 : 5) * Math.sqrt(Math.max(1, view.scale)) ** 0.7);
  if (photos) drawPhotos(found); else drawPoints(found, radius);
  for (const index of [hovered, chosen]) {
    if (index < 0 || !shown[index]) continue;
    paint.lineWidth = 3; paint.strokeStyle = ink.focus;
    paint.beginPath(); paint.arc(screenX(index), screenY(index), radius + 6, 0, 7); paint.stroke();
  }
}
function drawPoints(found, radius) {
  for (const pass of [0, 1]) {
    for (const index of found) {
      if (Number(mistaken(index)) !== pass) continue;
      const x = screenX(index), y = screenY(index);
      paint.globalAlpha = lit >= 0 && data.label[index] !== lit ? 0.12 : pass ? 1 : 0.85;
      if (pass) {
        paint.lineWidth = 2; paint.strokeStyle = ink.wrong;
        paint.beginPath(); paint.arc(x, y, radius + 3, 0, 7); paint.stroke();
      }
      paint.fillStyle = data.colours[data.label[index]];
      paint.beginPath(); paint.arc(x, y, radius, 0, 7); paint.fill();
    }
  }
  paint.globalAlpha = 1;
}
function drawPhotos(found) {
  const side = 46, taken = new Map(), late = [];
  const cellOf = (x, y) => `${Math.floor(x / side)} ${Math.floor(y / side)}`;
  const order = found.filter(mistaken).concat(found.filter((index) => !mistaken(index)));
  for (const index of order) {
    const x = screenX(index), y = screenY(index), column = Math.floor(x / side), row = Math.floor(y / side);
    let free = true;
    for (let i = -1; free && i < 2; i++) for (let j = -1; free && j < 2; j++) {
      const other = taken.get(`${column + i} ${row + j}`);
      if (other && Math.abs(other[0] - x) < side && Math.abs(other[1] - y) < side) free = false;
    }
    if (!free) { late.push(index); continue; }
    taken.set(cellOf(x, y), [x, y, index]);
  }
  drawPoints(late, 2);
  for (const [x, y, index] of taken.values()) {
    const longer = Math.max(data.w[index], data.h[index], 1), across = data.w[index] / longer * 40, down = data.h[index] / longer * 40;
    paint.globalAlpha = lit >= 0 && data.label[index] !== lit ? 0.25 : 1;
    paint.fillStyle = mistaken(index) ? ink.wrong : data.colours[data.label[index]];
    paint.fillRect(x - across / 2 - 2, y - down / 2 - 2, across + 4, down + 4);
    place(paint, index, x - across / 2, y - down / 2, across, down);
  }
  paint.globalAlpha = 1;
}

// Which photos are shown.
function filter() {
  const words = element("find").value.trim().toLowerCase(), only = element("wrong").checked;
  let left = 0;
  for (let i = 0; i < count; i++) {
    const matches = !words || data.names[i].toLowerCase().includes(words) || data.classes[data.label[i]].toLowerCase().includes(words);
    shown[i] = matches && !hidden.has(data.label[i]) && (!only || mistaken(i)) ? 1 : 0;
    left += shown[i];
  }
  element("count").textContent = `${left.toLocaleString("en")} of ${count.toLocaleString("en")} shown`;
  if (chosen >= 0 && !shown[chosen]) choose(-1);
  draw();
}
function legend() {
  const totals = new Map();
  for (const label of data.label) totals.set(label, (totals.get(label) || 0) + 1);
  data.classes.forEach((name, label) => {
    if (!totals.has(label)) return;
    const item = document.createElement("li"), button = document.createElement("button");
    const dot = document.createElement("i"), text = document.createElement("span"), number = document.createElement("small");
    dot.style.background = dot.style.color = data.colours[label];
    text.textContent = name; number.textContent = totals.get(label).toLocaleString("en");
    button.type = "button"; button.dataset.label = label; button.append(dot, text, number);
    button.onclick = () => { if (hidden.has(label)) hidden.delete(label); else hidden.add(label); press(); };
    button.ondblclick = () => { alone(label, totals); };
    button.onmouseenter = button.onfocus = () => { lit = hidden.has(label) ? -1 : label; draw(); };
    button.onmouseleave = button.onblur = () => { lit = -1; draw(); };
    item.append(button); element("legend").append(item);
  });
  element("show-all").onclick = () => { hidden.clear(); press(); };
  element("show-none").onclick = () => { for (const label of totals.keys()) hidden.add(label); press(); };
  press();
}
function alone(label, totals) {
  hidden.clear();
  for (const other of totals.keys()) if (other !== label) hidden.add(other);
  press();
}
function press() {
  for (const button of element("legend").querySelectorAll("button"))
    button.setAttribute("aria-pressed", String(!hidden.has(Number(button.dataset.label))));
  filter();
}

// What is told of one photo.
function words(index) {
  const lines = [[data.names[index], ""], [data.classes[data.label[index]], "soft"]];
  if (data.answer.length) {
    const share = `${(100 * data.sure[index]).toFixed(1)} %`;
    lines.push([`${mistaken(index) ? "taken for" : "found to be"} ${data.answers[data.answer[index]]}, ${share}`,
      mistaken(index) ? "wrong" : "soft"]);
  }
  return lines;
}
function write(target, index) {
  target.replaceChildren(...words(index).map(([text, style]) => {
    const line = document.createElement("p");
    line.textContent = text; line.className = style; line.style.margin = ".15rem 0 0";
    return line;
  }));
}
function picture(target, index, side) {
  const longer = Math.max(data.w[index], data.h[index], 1), scale = side / longer;
  target.hidden = !data.w[index];
  target.width = Math.max(1, Math.round(data.w[index] * scale)); target.height = Math.max(1, Math.round(data.h[index] * scale));
  target.style.width = `${target.width}px`; target.style.height = `${target.height}px`;
  place(target.getContext("2d"), index, 0, 0, target.width, target.height);
}
function tell() {
  const box = element("chosen");
  if (chosen >= 0) { picture(box.querySelector("canvas"), chosen, 144); write(box.querySelector("div"), chosen); }
  if (hovered >= 0) picture(element("hover").querySelector("canvas"), hovered, 144);
}
function choose(index, follow = false) {
  chosen = index;
  const box = element("chosen");
  if (index < 0) {
    box.querySelector("canvas").hidden = true;
    box.querySelector("div").innerHTML = '<p class="soft">Point at a photo, tap it, or go to it with the arrow keys.</p>';
  } else if (follow) {
    const x = screenX(index), y = screenY(index);
    if (x < 30 || x > width - 30 || y < 30 || y > height - 30) { view.x = data.x[index] / unit - 0.5; view.y = data.y[index] / unit - 0.5; }
  }
  tell(); draw();
}
function hover(index, x, y) {
  const box = element("hover");
  if (index !== hovered) {
    hovered = index;
    box.hidden = index < 0;
    if (index >= 0) { write(box.querySelector("div"), index); picture(box.querySelector("canvas"), index, 144); }
    draw();
  }
  if (index >= 0) {
    box.style.left = `${x + 180 > width ? Math.max(0, x - 20 - box.offsetWidth) : x + 16}px`;
    box.style.top = `${Math.max(0, Math.min(y + 16, height - box.offsetHeight - 4))}px`;
  }
}
function nearest(x, y, reach) {
  let best = -1, closest = reach * reach;
  for (let i = 0; i < count; i++) {
    if (!shown[i]) continue;
    const far = (screenX(i) - x) ** 2 + (screenY(i) - y) ** 2;
    if (far < closest) { closest = far; best = i; }
  }
  return best;
}

// Zoom, drag, pinch, keys.
function zoom(factor, x = width / 2, y = height / 2) {
  const before = view.scale;
  view.scale = Math.min(200, Math.max(0.5, view.scale * factor));
  const moved = (1 / before - 1 / view.scale) / base();
  view.x += (x - width / 2) * moved; view.y += (y - height / 2) * moved;
  draw();
}
function pan(across, down) {
  view.x -= across / (base() * view.scale); view.y -= down / (base() * view.scale);
  view.x = Math.min(1, Math.max(-1, view.x)); view.y = Math.min(1, Math.max(-1, view.y));
  draw();
}
const fit = () => { view.scale = 1; view.x = view.y = 0; draw(); };
function step(across, down) {
  if (chosen < 0) return choose(nearest(width / 2, height / 2, Infinity), true);
  let best = -1, closest = Infinity;
  for (let i = 0; i < count; i++) {
    if (!shown[i] || i === chosen) continue;
    const dx = screenX(i) - screenX(chosen), dy = screenY(i) - screenY(chosen);
    const along = dx * across + dy * down, aside = Math.abs(dx * down) + Math.abs(dy * across);
    if (along <= 0 || aside > along * 1.5) continue;
    if (along + 2 * aside < closest) { closest = along + 2 * aside; best = i; }
  }
  if (best >= 0) choose(best, true);
}
function nextMistake() {
  for (let i = 1; i <= count; i++) {
    const index = (Math.max(chosen, 0) + i) % count;
    if (shown[index] && mistaken(index)) return choose(index, true);
  }
}
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = arrows[event.key];
  if (arrow && event.shiftKey) pan(-60 * arrow[0], -60 * arrow[1]);
  else if (arrow) step(...arrow);
  else if (event.key === "+" || event.key === "=") zoom(1.4);
  else if (event.key === "-" || event.key === "_") zoom(1 / 1.4);
  else if (event.key === "0") fit();
  else if (event.key === "m") nextMistake();
  else if (event.key === "Escape") choose(-1);
  else return;
  event.preventDefault();
});
const fingers = new Map();
let travelled = 0;
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  if (fingers.size === 1) travelled = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const x = event.offsetX, y = event.offsetY, before = fingers.get(event.pointerId);
  if (!before) return event.pointerType === "touch" ? undefined : hover(nearest(x, y, 14), x, y);
  travelled += Math.abs(x - before[0]) + Math.abs(y - before[1]);
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
    const gap = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    zoom(gap([x, y], other) / gap(before, other), (x + other[0]) / 2, (y + other[1]) / 2);
    pan((x - before[0]) / 2, (y - before[1]) / 2);
  } else if (travelled > 4) { hover(-1); pan(x - before[0], y - before[1]); }
  fingers.set(event.pointerId, [x, y]);
});
function lift(event) {
  if (event.type === "pointerup" && fingers.size === 1 && travelled <= 6)
    choose(nearest(event.offsetX, event.offsetY, event.pointerType === "touch" ? 26 : 14));
  fingers.delete(event.pointerId);
}
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
canvas.addEventListener("pointerleave", () => hover(-1));
canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY); }, { passive: false });
element("in").onclick = () => zoom(1.5);
element("out").onclick = () => zoom(1 / 1.5);
element("fit").onclick = fit;
element("photos").onclick = () => { photos = !photos; element("photos").setAttribute("aria-pressed", String(photos)); draw(); };
element("find").oninput = filter;
element("wrong").onchange = filter;
const mistakes = data.wrong.reduce((sum, value) => sum + value, 0);
element("wrong-box").hidden = mistakes === 0;
element("wrong-box").querySelector("span").textContent = `only the ${mistakes.toLocaleString("en")} mistaken (ringed)`;
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });
window.addEventListener("resize", resize);
readColours();
legend();
resize();
