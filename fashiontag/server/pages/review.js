// The review page: cards in a grid, one of them at hand, decided by keys.
"use strict";
const AHEAD = 12; // cards left before the next page is fetched
let groups = {}, cards = [], after = "", at = 0, marked = 0, from = null, generation = 0;
let loading = false, reviewed = 0, total = 0, sending = Promise.resolve();
const started = { when: 0, done: 0 };

const shownGroup = () => $("group").value;
const labelsIn = (card, group) => card.tags.filter((t) => t.group === group && t.decision !== "abstain").map((t) => t.label);
const same = (one, other) => [...one].sort().join("\n") === [...other].sort().join("\n");

// the rows of a card: a tag each, "none of these" where that was decided, and empty groups at the end
function rowsOf(card) {
  const rows = [];
  for (const group of Object.keys(groups)) {
    if (shownGroup() && group !== shownGroup()) continue;
    const tags = card.tags.filter((t) => t.group === group && t.decision !== "abstain");
    for (const tag of tags) rows.push({ group, tag });
    if (!tags.length && (shownGroup() || card.decided[group])) rows.push({ group, tag: null });
  }
  if (!shownGroup()) rows.push({ group: null, tag: null });
  return rows;
}

function drawRow(card, row, place) {
  const { group, tag } = row;
  const line = make("li");
  if (group === null) {
    line.className = "none";
    line.append(make("span", "g", "add"), make("span", "l", "another tag…"));
  } else {
    const decided = card.decided[group] !== undefined;
    line.className = decided ? "person" : tag === null ? "none" : tag.decision === "review" || tag.score < 0.6 ? "low" : "";
    const label = tag ? tag.label : decided ? "none of these" : "not sure";
    const source = { image: "photo", title: "title", both: "both" };
    const said = decided ? "✓ person" : tag ? `${tag.score.toFixed(2)} ${source[tag.source]}` : "";
    const more = decided || !tag ? "" : `score from 0 to 1; seen in ${tag.source === "both" ? "photo and title" : `the ${source[tag.source]}`}`;
    line.append(make("span", "g", group), make("span", "l", label), make("span", "s", said, { title: more }));
    if (!decided && card.conflicts.includes(group)) line.append(make("span", "c", "photo and title disagree"));
  }
  line.addEventListener("click", () => { go(cards.indexOf(card)); mark(place); change(); });
  return line;
}

function draw(card) {
  const box = card.box || (card.box = make("li", "card", "", { tabIndex: -1 }));
  const done = Object.keys(card.decided).length;
  const tags = make("ul", "tags");
  rowsOf(card).forEach((row, place) => tags.append(drawRow(card, row, place)));
  const pictures = card.pictures || (card.pictures = showPhotos(card));
  box.replaceChildren(...pictures, make("h2", "", card.title || "(no title)"), make("p", "id", card.id), tags);
  if (acceptable(card).length) {
    const right = make("button", "right", "✓ All right", { tabIndex: -1, title: "key A" });
    right.addEventListener("click", (event) => { event.stopPropagation(); from = null; go(cards.indexOf(card)); accept(); });
    box.append(right);
  }
  if (done) box.append(make("p", "done", `✓ reviewed: ${done} ${done === 1 ? "group" : "groups"}`));
  box.setAttribute("aria-label", card.title || card.id);
  if (!box.onclick) box.onclick = (event) => {
    if (event.target.closest(".tags")) return;
    if (event.shiftKey) from = from ?? at; else from = null;
    go(cards.indexOf(card));
  };
  return box;
}

// the main photo, and under it all of them, where there are several; a click shows one large
function showPhotos(card) {
  const large = photo(card.number, card.title);
  if (card.photos.length === 1) return [large];
  const strip = make("div", "strip");
  card.photos.forEach((number, n) => {
    const small = make("button", "", "", { title: `photo ${n + 1} of ${card.photos.length}`, tabIndex: -1 });
    small.append(photo(number, `photo ${n + 1}`));
    small.addEventListener("click", () => { large.src = `/photo/${number}`; });
    strip.append(small);
  });
  return [large, strip];
}

function picked() {
  return from === null ? cards.slice(at, at + 1) : cards.slice(Math.min(from, at), Math.max(from, at) + 1);
}

function go(place) {
  if (!cards.length) return;
  cards[at]?.box.classList.remove("at");
  at = Math.max(0, Math.min(place, cards.length - 1));
  const several = new Set(from === null ? [] : picked());
  cards.forEach((card) => card.box.classList.toggle("picked", several.has(card)));
  const box = cards[at].box;
  box.classList.add("at");
  box.scrollIntoView({ block: "nearest" });
  box.focus({ preventScroll: true });
  mark(0);
  if (after && cards.length - at < AHEAD) more();
}

function mark(place) {
  const rows = cards[at]?.box.querySelectorAll(".tags li") || [];
  marked = Math.max(0, Math.min(place, rows.length - 1));
  rows.forEach((row, n) => row.classList.toggle("marked", n === marked));
}

async function more(fresh = false) {
  if (loading && !fresh) return;
  loading = true;
  const mine = fresh ? ++generation : generation;
  const wanted = new URLSearchParams({ show: $("show").value, sort: $("sort").value, where: filter(), limit: 48, after: fresh ? "" : after });
  try {
    const page = await ask(`/v1/items?${wanted}`);
    if (mine !== generation) return;
    if (fresh) { cards = []; at = 0; from = null; $("grid").replaceChildren(); }
    after = page.after;
    cards.push(...page.items);
    $("grid").append(...page.items.map(draw));
    showBulk();
    $("note").textContent = cards.length ? (page.sorted ? "" : "Still sorting; in catalogue order until then.")
      : $("show").value === "open" ? "Nothing left to review here. Learn, or show all." : "Nothing here.";
    if (fresh && cards.length) go(0);
    if (!page.sorted && fresh) setTimeout(() => { if (mine === generation && at === 0) more(true); }, 1500);
  } catch (error) { complain(error); } finally { if (mine === generation) loading = false; }
}

function filter() {
  return $("where").value.trim();
}

// Shown at once, sent in order; what the server refuses is shown as it was.
function decide(changes) {
  if (!changes.length) return;
  const before = new Map(changes.map(({ card }) => [card, { tags: card.tags, decided: card.decided }]));
  for (const { card, group, labels } of changes) {
    card.decided = { ...card.decided, [group]: labels };
    const old = card.tags.filter((t) => t.group === group);
    const tags = labels.map((label) => ({ ...(old.find((t) => t.label === label) || { source: "both" }), group, label, score: 1, method: "person", decision: "publish" }));
    card.tags = [...card.tags.filter((t) => t.group !== group), ...tags];
  }
  let fresh = 0;
  for (const [card, was] of before) { draw(card); fresh += Object.keys(was.decided).length === 0; }
  count(fresh);
  showBulk();
  const body = changes.map(({ card, group, labels }) => ({ id: card.id, source: card.source, group, labels, whole: true }));
  sending = sending.then(() => ask("/v1/decisions", "POST", body)).catch((error) => {
    for (const [card, was] of before) { Object.assign(card, was); draw(card); }
    count(-fresh);
    complain(error);
  });
}

function count(more) {
  reviewed += more;
  started.when = started.when || Date.now();
  started.done += Math.max(0, more);
  const minutes = (Date.now() - started.when) / 60000;
  const left = minutes > 0.2 && started.done > 4 ? Math.ceil((total - reviewed) * minutes / started.done) : 0;
  showProgress(reviewed, total, left ? `, at this rate ${left > 90 ? `${Math.round(left / 60)} hours` : `${left} min`} left` : "");
}

function acceptable(card, least = 0) {
  const changes = [];
  for (const group of Object.keys(groups)) {
    if (shownGroup() && group !== shownGroup()) continue;
    const tags = card.tags.filter((t) => t.group === group && t.decision !== "abstain");
    if (card.decided[group] !== undefined || !tags.length || tags.some((t) => t.score < least)) continue;
    changes.push({ card, group, labels: tags.map((t) => t.label) });
  }
  return changes;
}

function accept() {
  if (!cards.length) return;
  const chosen = picked(), end = cards.indexOf(chosen[chosen.length - 1]);
  decide(chosen.flatMap((card) => acceptable(card)).slice(0, 1000));
  from = null;
  go(end + 1);
}

function change() {
  const card = cards[at], row = card && rowsOf(card)[marked];
  if (!row) return;
  const all = Object.entries(groups).flatMap(([group, { labels }]) => labels.map((label) => ({ group, label })));
  const own = row.group ? all.filter((one) => one.group === row.group) : all;
  $("none").hidden = !row.group;
  $("asked").textContent = row.group ? `${row.group}: what is right?` : "Which tag does it have?";
  openPicker(own, all, ({ group, label }) => {
    const instead = (one) => groups[group].exclusive ? [label]
      : [...new Set([...labelsIn(one, group).filter((old) => group !== row.group || old !== row.tag?.label), label])];
    decide(picked().map((one) => ({ card: one, group, labels: instead(one) })));
    from = null; go(at);
  });
}

function reject(all) {
  const row = cards.length && rowsOf(cards[at])[marked];
  if (!row || !row.group) return;
  const { group, tag } = row, place = marked;
  const left = (card) => all || groups[group].exclusive ? [] : labelsIn(card, group).filter((label) => label !== tag?.label);
  decide(picked().map((card) => ({ card, group, labels: left(card) })));
  from = null; go(at); mark(place);
}

// what no label of the group answers is looked for among all
function openPicker(own, all, take) {
  let found = [], place = 0;
  const show = () => {
    const typed = $("typed").value.toLowerCase().trim();
    const rank = ({ label }) => label.toLowerCase().startsWith(typed) ? 0 : 1;
    const fits = ({ group, label }) => `${label} ${group}`.toLowerCase().includes(typed);
    const list = own.some(fits) ? own : all;
    found = list.filter(fits).sort((a, b) => rank(a) - rank(b)).slice(0, 60);
    place = Math.max(0, Math.min(place, found.length - 1));
    $("choices").replaceChildren(...found.map((one, n) => {
      const line = make("li", "", list === all ? `${one.label}  (${one.group})` : one.label, { id: `choice${n}` });
      line.setAttribute("role", "option");
      line.setAttribute("aria-selected", n === place);
      line.addEventListener("click", () => { place = n; done(); });
      return line;
    }));
    if (!found.length) $("choices").replaceChildren(make("li", "", "There is no such label."));
    if (found.length) $("typed").setAttribute("aria-activedescendant", `choice${place}`);
    $("choices").children[place]?.scrollIntoView({ block: "nearest" });
  };
  const done = () => { if (found[place]) { $("picker").close(); take(found[place]); } };
  $("typed").value = "";
  $("typed").oninput = () => { place = 0; show(); };
  $("typed").onkeydown = (event) => {
    if (event.key === "Enter") { event.preventDefault(); done(); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      place = Math.max(0, Math.min(found.length - 1, place + (event.key === "ArrowDown" ? 1 : -1)));
      show();
    }
  };
  show();
  $("picker").showModal();
  $("typed").focus();
}

function undo() {
  sending = sending.then(() => ask("/v1/decisions/last", "DELETE")).then(async ({ undone }) => {
    say(undone.length ? `Taken back: ${undone.length} ${undone.length === 1 ? "decision" : "decisions"}.` : "Nothing to undo.");
    const ids = new Map(undone.map((event) => [`${event.source}\n${event.item}`, event]));
    let first = null;
    for (const event of ids.values()) {
      const place = cards.findIndex((card) => card.id === event.item && card.source === event.source);
      if (place < 0) continue;
      const told = await ask(`/v1/items/${encodeURIComponent(event.item)}?source=${encodeURIComponent(event.source)}`);
      Object.assign(cards[place], told);
      draw(cards[place]);
      showBulk();
      first = first ?? place;
    }
    if (first !== null) go(first);
    await figures();
  }).catch(complain);
}

async function figures() {
  const told = await ask("/v1/stats");
  reviewed = told.reviewed; total = told.items;
  showProgress(reviewed, total);
  $("promise").textContent = told.promise
    ? `Promised: of the tags that aren't amber, ${Math.round(told.promise * 100)} % are right. Amber ones are outside of it, whatever they score.`
    : "Nothing is promised of these scores: look at what is shown before you accept it.";
  return told;
}

async function learn(apply) {
  $("learn").disabled = true;
  say(apply ? "Applying…" : "Learning…");
  try {
    await sending;
    const told = await ask(`/v1/learn?apply=${apply}`, "POST");
    if (apply) {
      $("lesson").close();
      await more(true); await figures();
      say("Applied: tags and order are new. Your decisions are as you made them.");
    } else showLesson(told);
  } catch (error) { complain(error); } finally { $("learn").disabled = false; }
}

function showLesson({ decisions, forecast, reasons }) {
  const signed = (x) => `${x < 0 ? "−" : "+"}${Math.abs(Math.round(x))}`;
  const some = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
  $("forecast").textContent = `${some(decisions, "decision")}. ` + (forecast.changed
    ? `Of ${some(forecast.products, "product")} that nobody reviewed, ${forecast.changed.toLocaleString("en")} would be tagged otherwise: about ${signed(forecast.right)} right and ${signed(forecast.wrong)} wrong tags. Nothing is changed yet, and your decisions stay in any case.`
    : "No other product would change.");
  $("reasons").replaceChildren(...reasons.map((one) => make("p", "", one)));
  const shown = forecast.changed ? forecast.examples : forecast.closest;
  $("changes").replaceChildren(...shown.map((one) => {
    const text = make("div", "", `${one.group}: `);
    const now = one.before || "nothing", then = one.after || "nothing";
    if (forecast.changed) text.append(make("del", "", now), " → ", make("ins", "", then));
    else text.append(make("ins", "", now), ` stays; ${then} has ${one.probability.toFixed(2)}`);
    text.append(make("p", "id", one.title));
    const line = make("li");
    line.append(photo(Number(one.id), one.title), text);
    return line;
  }));
  $("apply").hidden = !forecast.changed;
  $("said").textContent = "";
  $("lesson").showModal();
  (forecast.changed ? $("apply") : $("later")).focus();
}

const KEYS = {
  ArrowRight: (e) => step(1, e), j: (e) => step(1, e), ArrowLeft: (e) => step(-1, e), k: (e) => step(-1, e),
  J: (e) => step(1, e), K: (e) => step(-1, e),
  ArrowDown: () => mark(marked + 1), ArrowUp: () => mark(marked - 1),
  a: accept, Enter: accept, c: change, x: () => reject(false), n: () => reject(true), z: undo, u: undo,
  l: () => learn(false), "?": () => $("help").showModal(), Escape: () => { from = null; go(at); },
};

function step(by, event) {
  if (event.shiftKey) from = from ?? at; else from = null;
  go(at + by);
}

document.addEventListener("keydown", (event) => {
  const busy = document.querySelector("dialog[open]") || event.target.closest?.("input, select, textarea");
  if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.closest?.("button, a")) return;
  const key = KEYS[event.key];
  if (key) { event.preventDefault(); key(event); }
});

const surely = () => cards.flatMap((card) => acceptable(card, Number($("least").value))).slice(0, 1000);

function showBulk() {
  $("bulk").textContent = `Accept ${surely().length} shown ≥ ${Number($("least").value).toFixed(2)}`;
}

$("bulk").addEventListener("click", () => {
  const changes = surely();
  decide(changes);
  say(changes.length ? `Accepted ${changes.length} answers; Undo takes all of them back.` : "Nothing shown scores as high as that.");
});
$("least").addEventListener("input", showBulk);
$("none").addEventListener("click", () => { $("picker").close(); reject(true); });
$("undo").addEventListener("click", undo);
$("learn").addEventListener("click", () => learn(false));
$("apply").addEventListener("click", () => learn(true));
for (const name of ["show", "sort", "where"]) $(name).addEventListener("change", () => { $(name).blur(); more(true); });
$("group").addEventListener("change", () => { $("group").blur(); cards.forEach(draw); showBulk(); go(at); });

(async () => {
  try {
    groups = await ask("/v1/labels");
    $("group").append(...Object.keys(groups).map((name) => make("option", "", name)));
    await Promise.all([more(true), figures()]);
  } catch (error) { complain(error); }
})();
