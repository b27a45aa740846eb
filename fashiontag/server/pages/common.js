// What the three pages share. Texts of a catalogue are only ever set as text, never as markup.
"use strict";
const $ = (id) => document.getElementById(id);

function make(tag, name = "", text = "", more = {}) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return Object.assign(made, more);
}

let saying;
function say(sentence, bad = false) {
  $("said").textContent = sentence;
  $("said").classList.toggle("bad", bad);
  clearTimeout(saying);
  saying = setTimeout(() => { $("said").textContent = ""; }, bad ? 8000 : 2500);
}

async function ask(path, method = "GET", body = undefined) {
  const json = body !== undefined && !(body instanceof FormData);
  const answer = await fetch(path, {
    method,
    body: json ? JSON.stringify(body) : body,
    headers: json ? { "Content-Type": "application/json" } : {},
  }).catch(() => { throw new Error("The server doesn't answer; is fashiontag serve still running?"); });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error || answer.statusText);
  return told;
}

const complain = (error) => say(error.message, true);

function photo(number, title) {
  const image = make("img", "photo", "", { alt: title || "product", loading: "lazy" });
  if (number !== null) image.src = `/photo/${number}`;
  return image;
}

function showProgress(reviewed, total, rate = "") {
  $("progress").textContent = `${reviewed.toLocaleString("en")} of ${total.toLocaleString("en")} reviewed${rate}`;
  $("meter").value = total ? reviewed / total : 0;
}

for (const link of document.querySelectorAll("nav a"))
  if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
for (const button of document.querySelectorAll("dialog .close"))
  button.addEventListener("click", () => button.closest("dialog").close());
