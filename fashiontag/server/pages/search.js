// The search page: words, a picture, or a product that is there.
"use strict";
let like = null, asked = 0, counted = 0;

// what is ticked as a filter, but for one group
function where(but = "") {
  const byGroup = new Map();
  for (const box of document.querySelectorAll("#facets input:checked"))
    if (box.name !== but) byGroup.set(box.name, [...(byGroup.get(box.name) || []), box.value]);
  const quote = (text) => `'${text.replaceAll("'", "''")}'`;
  return [...byGroup].map(([group, labels]) => `${group} in (${labels.map(quote).join(", ")})`).join(" and ");
}

async function look() {
  const q = $("q").value.trim(), minus = $("minus").value.trim(), image = $("image").files[0];
  if (!q && !image && !like) return;
  const mine = ++asked;
  try {
    let told;
    if (image) {
      const form = new FormData();
      for (const [name, value] of Object.entries({ image, q, minus, where: where() })) form.append(name, value);
      told = await ask("/v1/search", "POST", form);
    } else {
      const wanted = new URLSearchParams({ q, minus, where: where() });
      if (like) { wanted.set("like", like.id); if (like.source) wanted.set("source", like.source); }
      told = await ask(`/v1/search?${wanted}`);
    }
    if (mine !== asked) return;
    $("note").textContent = told.note || (told.hits.length ? "" : "Nothing found.");
    $("grid").replaceChildren(...told.hits.map(draw));
  } catch (error) { complain(error); }
}

function draw(hit) {
  const box = make("li", "card hit");
  const tags = make("ul", "tags");
  tags.append(...hit.tags.map((tag) => make("li", "", tag.slice(tag.indexOf("=") + 1), { title: tag })));
  const similar = make("button", "", "similar"), red = make("button", "", "but in red");
  const near = (words) => { like = { id: hit.id, title: hit.title }; $("q").value = words; $("image").value = ""; showLike(); look(); };
  similar.addEventListener("click", () => near(""));
  red.addEventListener("click", () => near("but in red"));
  const more = make("div", "more");
  more.append(similar, red);
  const alike = hit.folded ? ` · ${hit.folded} more alike` : "";
  box.append(photo(hit.number, hit.title), make("h2", "", hit.title || "(no title)"),
    make("p", "id", `${hit.id} · ${hit.score.toFixed(2)}${alike}`), tags, more);
  return box;
}

function showLike() {
  $("like").hidden = !like;
  if (like) $("like").querySelector("b").textContent = like.title || like.id;
}

function facet(group) {
  const box = make("details");
  box.append(make("summary", "", group), make("ul"));
  box.dataset.group = group;
  return box;
}

// Of each group, how many there are under the filter of the others: what ticking one more would add.
async function countFacets() {
  const mine = ++counted;
  const own = new Set([...document.querySelectorAll("#facets input:checked")].map((box) => box.name));
  const under = async (but) => (await ask(`/v1/stats?${new URLSearchParams({ where: where(but) })}`)).groups;
  try {
    const found = await under("");
    for (const group of own) found[group] = (await under(group))[group];
    if (mine === counted) for (const box of $("facets").children) drawFacet(box, found[box.dataset.group]);
  } catch (error) { complain(error); }
}

function drawFacet(box, labels) {
  const group = box.dataset.group, at = document.activeElement?.value;
  const ticked = new Set([...box.querySelectorAll("input:checked")].map((tick) => tick.value));
  box.querySelector("ul").replaceChildren(...labels.filter((one) => one.count || ticked.has(one.label)).map(({ label, count }) => {
    const line = make("label"), item = make("li");
    const tick = make("input", "", "", { type: "checkbox", name: group, value: label, checked: ticked.has(label) });
    tick.addEventListener("change", () => { look(); countFacets(); });
    line.append(tick, make("span", "", label), make("span", "n", count.toLocaleString("en")));
    item.append(line);
    return item;
  }));
  [...box.querySelectorAll("input")].find((tick) => tick.value === at && ticked.has(at))?.focus();
}

$("form").addEventListener("submit", (event) => { event.preventDefault(); look(); });
$("image").addEventListener("change", () => { like = null; showLike(); look(); });
$("like").querySelector("button").addEventListener("click", () => { like = null; showLike(); look(); });
document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  $("image").files = event.dataTransfer.files;
  like = null; showLike(); look();
});
ask("/v1/stats").then((told) => {
  showProgress(told.reviewed, told.items);
  $("facets").append(...Object.keys(told.groups).map(facet));
  for (const box of $("facets").children) drawFacet(box, told.groups[box.dataset.group]);
  const first = $("facets").querySelector("details");
  if (first && innerWidth > 700) first.open = true;
}).catch(complain);
