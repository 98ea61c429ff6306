"use strict";

const find = (id) => document.getElementById(id);
const state = { models: [], file: null, picture: null, answer: null, stream: null, asked: 0 };

function tell(text, isError = false) {
  find("status").textContent = text;
  find("status").classList.toggle("error", isError);
}

function headers() {
  const token = find("token").value;
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function loadModels() {
  const response = await fetch("v1/models", { headers: headers() });
  if (response.status === 401) {
    find("token-setting").hidden = false;
    find("about").textContent = "This server asks for a token.";
    return;
  }
  state.models = await response.json();
  const select = find("model");
  select.replaceChildren(...state.models.map((model, index) => new Option(`${model.name} / ${model.version}`, String(index))));
  find("model-setting").hidden = state.models.length < 2;
  describeModel();
}

function chosenModel() {
  return state.models[Number(find("model").value) || 0];
}

function describeModel() {
  const model = chosenModel();
  const some = model.labels.slice(0, 6).join(", ");
  const more = model.labels.length > 6 ? ` and ${model.labels.length - 6} more` : "";
  find("about").textContent = `Model ${model.name} tells apart ${model.labels.length} classes: ${some}${more}.`;
  find("map-setting").hidden = !model.activation_map;
}

async function show(file) {
  stopCamera();
  state.answer = null;
  find("bars").replaceChildren();
  find("raw").hidden = true;
  if (!file.type.startsWith("image/")) {
    tell("That is not an image.", true);
    return;
  }
  try {
    state.picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    state.picture = null;
  }
  state.file = file;
  draw();
  await ask();
}

async function ask() {
  const model = chosenModel();
  if (!state.file || !model) return;
  const asked = ++state.asked;
  const query = new URLSearchParams({ model: model.name, version: model.version });
  if (model.activation_map) query.set("activation_map", "true");
  tell("Looking at it…");
  const started = performance.now();
  try {
    const response = await fetch(`v1/predict?${query}`, {
      method: "POST",
      body: state.file,
      headers: { ...headers(), "Content-Type": state.file.type },
    });
    const answer = await response.json();
    if (asked !== state.asked) return;
    if (!response.ok) throw new Error(answer.error || `status ${response.status}`);
    state.answer = answer;
    showAnswer(answer, performance.now() - started);
  } catch (error) {
    if (asked !== state.asked) return;
    tell(error instanceof TypeError ? "The server cannot be reached." : error.message, true);
  }
}

function showAnswer(answer, milliseconds) {
  const first = answer.classes[0];
  tell(`${first.class}, ${percent(first.probability)} (in ${Math.round(milliseconds)} ms)`);
  find("bars").replaceChildren(...answer.classes.map((entry) => {
    const row = document.createElement("li");
    const name = document.createElement("span");
    const share = document.createElement("span");
    name.textContent = entry.class;
    share.textContent = percent(entry.probability);
    row.style.setProperty("--share", `${100 * entry.probability}%`);
    row.append(name, share);
    return row;
  }));
  const shown = { ...answer };
  if (shown.activation_map) shown.activation_map = { ...shown.activation_map, values: "…" };
  find("json").textContent = JSON.stringify(shown, null, 2);
  const token = find("token").value ? " -H 'Authorization: Bearer TOKEN'" : "";
  const url = new URL(`v1/predict?model=${encodeURIComponent(answer.model)}`, location.href);
  find("curl").textContent = `curl --data-binary @photo.jpg${token} '${url}'`;
  find("raw").hidden = false;
  draw();
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function draw() {
  const canvas = find("canvas");
  find("stage").hidden = !state.picture;
  if (!state.picture) return;
  const scale = Math.min(1, 1024 / Math.max(state.picture.width, state.picture.height));
  canvas.width = Math.max(1, Math.round(state.picture.width * scale));
  canvas.height = Math.max(1, Math.round(state.picture.height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(state.picture, 0, 0, canvas.width, canvas.height);
  const map = state.answer && state.answer.activation_map;
  const described = state.answer ? `The photo; the answer is ${state.answer.classes[0].class}` : "The photo";
  canvas.setAttribute("aria-label", map && find("map").checked ? `${described}; warm colours mark what it rests on` : described);
  if (map && find("map").checked) drawMap(context, map);
}

function drawMap(context, map) {
  const rows = map.values.length;
  const columns = map.values[0].length;
  const values = map.values.flat();
  const high = Math.max(...values, 0) || 1;
  const heat = document.createElement("canvas");
  heat.width = columns;
  heat.height = rows;
  const inner = heat.getContext("2d");
  const pixels = inner.createImageData(columns, rows);
  values.forEach((value, index) => {
    const warmth = Math.max(0, value / high);
    pixels.data.set([255, Math.round(200 * (1 - warmth)), 0, Math.round(150 * warmth)], 4 * index);
  });
  inner.putImageData(pixels, 0, 0);
  const [left, top, right, bottom] = map.region;
  const { width, height } = context.canvas;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.save();
  context.beginPath();
  context.rect(left * width, top * height, (right - left) * width, (bottom - top) * height);
  context.clip();
  context.drawImage(heat, left * width, top * height, (right - left) * width, (bottom - top) * height);
  context.restore();
  context.strokeStyle = "rgba(255, 255, 255, 0.8)";
  context.setLineDash([6, 4]);
  context.strokeRect(left * width, top * height, (right - left) * width, (bottom - top) * height);
}

async function startCamera() {
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) {
    const input = find("file");
    input.setAttribute("capture", "environment");
    input.click();
    input.removeAttribute("capture");
    return;
  }
  try {
    state.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    tell("The camera cannot be used; choose a photo.", true);
    return;
  }
  const video = find("video");
  video.srcObject = state.stream;
  video.hidden = false;
  find("canvas").hidden = true;
  find("stage").hidden = false;
  find("shoot").hidden = false;
  await video.play();
  find("shoot").focus();
}

function stopCamera() {
  if (state.stream) state.stream.getTracks().forEach((track) => track.stop());
  state.stream = null;
  find("video").hidden = true;
  find("canvas").hidden = false;
  find("shoot").hidden = true;
}

function takePicture() {
  const video = find("video");
  const frame = document.createElement("canvas");
  frame.width = video.videoWidth;
  frame.height = video.videoHeight;
  frame.getContext("2d").drawImage(video, 0, 0);
  frame.toBlob((blob) => show(blob), "image/jpeg", 0.95);
}

const drop = document.body;
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  find("drop").classList.add("over");
});
drop.addEventListener("dragleave", () => find("drop").classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  find("drop").classList.remove("over");
  if (event.dataTransfer.files.length) show(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) show(event.clipboardData.files[0]);
});
find("file").addEventListener("change", (event) => {
  if (event.target.files.length) show(event.target.files[0]);
  event.target.value = "";
});
find("camera").addEventListener("click", startCamera);
find("shoot").addEventListener("click", takePicture);
find("map").addEventListener("change", draw);
find("model").addEventListener("change", () => { describeModel(); ask(); });
find("enter").addEventListener("click", () => loadModels());
find("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(find("curl").textContent);
  find("copy").textContent = "Copied";
});
loadModels().catch(() => tell("The server cannot be reached.", true));
