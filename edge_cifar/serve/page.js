"use strict";

// Below this the page says "unsure" rather than let a wild guess look like an answer.
const THRESHOLD = 0.5;
const TOP = 3;

const byId = (id) => document.getElementById(id);
const [drop, shown, hint, note, status, answers] = ["drop", "shown", "hint", "note", "status", "answers"].map(byId);
let latest = 0;

// What would steer a display rather than be shown, such as a bidirectional override in a label, is spelt out.
function visible(text) {
  const escape = (character) => `\\u{${character.codePointAt(0).toString(16)}}`;
  return text.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, escape);
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = visible(text);
  if (className) made.className = className;
  return made;
}

function say(text, bad = false) {
  status.textContent = visible(text);
  status.classList.toggle("bad", bad);
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}

function article(result) {
  const made = element("article");
  const head = element("header");
  head.append(element("h2", result.name), element("span", milliseconds(result.milliseconds), "time"));
  made.append(head);
  if (result.unsure) made.append(element("p", "Unsure", "unsure"));
  const list = element("ol");
  for (const { label, probability } of result.predictions) {
    const percent = `${(100 * probability).toFixed(1)} %`;
    const line = element("li");
    const bar = element("meter");
    bar.value = probability;
    bar.setAttribute("aria-label", visible(`${label}: ${percent}`));
    line.append(element("span", label), element("span", percent), bar);
    list.append(line);
  }
  made.append(list);
  return made;
}

function show(picture) {
  URL.revokeObjectURL(shown.src);
  shown.src = URL.createObjectURL(picture);
  shown.alt = picture.name ? `Your picture, ${picture.name}` : "Your picture";
  shown.hidden = false;
  hint.hidden = true;
  note.textContent = "";
}

async function ask(picture) {
  if (!picture) return;
  const number = ++latest;
  show(picture);
  say("Classifying …");
  answers.replaceChildren();
  let reply, answer;
  try {
    const form = new FormData();
    form.append("image", picture, picture.name || "picture");
    reply = await fetch(`predict?top=${TOP}&threshold=${THRESHOLD}`, { method: "POST", body: form });
    answer = await reply.json();
  } catch (error) {
    if (number === latest) say(reply ? `The server refused the picture (${reply.status}).` : "The server is not responding.", true);
    return;
  }
  // A picture that was chosen meanwhile has the word.
  if (number !== latest) return;
  if (!reply.ok) {
    say(answer.error, true);
    return;
  }
  answers.replaceChildren(...answer.results.map(article));
  const first = answer.results[0];
  note.textContent = [first.preparation, ...first.warnings].filter(Boolean).join("; ");
  const guess = first.predictions[0];
  const words = first.unsure ? `unsure, possibly ${guess.label}` : guess.label;
  say(`Classified by ${answer.results.length === 1 ? "one artifact" : `${answer.results.length} artifacts`}; ${first.name}: ${words}.`);
}

function pictureIn(transfer) {
  return [...transfer.files].find((file) => file.type.startsWith("image/")) ?? transfer.files[0];
}

for (const input of [byId("file"), byId("photo")]) {
  input.addEventListener("change", () => {
    ask(input.files[0]);
    // The same file may be chosen again.
    input.value = "";
  });
}

document.addEventListener("paste", (event) => ask(pictureIn(event.clipboardData)));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  ask(pictureIn(event.dataTransfer));
});

// A phone's own camera app is better than any viewfinder of ours; a computer has none.
const [viewfinder, video] = [byId("viewfinder"), byId("video")];
if (matchMedia("(pointer: coarse)").matches) byId("capture").hidden = false;
else if (navigator.mediaDevices?.getUserMedia) byId("camera").hidden = false;

byId("camera").addEventListener("click", async () => {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
  } catch (error) {
    say(`The camera is not available (${error.message}).`, true);
    return;
  }
  viewfinder.showModal();
  await video.play();
});
byId("shoot").addEventListener("click", () => {
  const canvas = element("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((picture) => ask(picture), "image/png");
  viewfinder.close();
});
byId("close").addEventListener("click", () => viewfinder.close());
viewfinder.addEventListener("close", () => {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
});

(async () => {
  try {
    const served = await (await fetch("models")).json();
    document.title = `${served.model}: what is in the picture?`;
    const names = served.models.map((model) => model.name).join(", ");
    if (!latest) say(`${served.model} is ready: ${names}.`);
    if (served.left_out.length) {
      const missing = byId("missing");
      missing.querySelector("ul").append(...served.left_out.map((one) => element("li", `${one.name}: ${one.reason}`)));
      missing.hidden = false;
    }
  } catch (error) {
    say("The server is not responding.", true);
  }
})();
