"use strict";
// Every text of the catalogue goes in through textContent or a property, never as markup.
(() => {
  const PER_PAGE = 120;
  const SHORT = 6; // labels of a group that the filters show at first
  const FROM = { image: "seen in the picture", title: "read in the title", both: "seen in the picture and read in the title" };
  const one = (selector) => document.querySelector(selector);
  const count = (n) => n.toLocaleString("en");
  const words = (name) => name.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/[_-]+/g, " ").toLowerCase();

  function make(name, className, text) {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", "#" + name);
    svg.setAttribute("aria-hidden", "true");
    svg.append(use);
    return svg;
  }

  function swatch(label) {
    const name = label.toLowerCase();
    if (/multi|rainbow/.test(name)) return "conic-gradient(#d33, #dc3, #3a5, #37c, #83b, #d33)";
    return [name.replace(/[^a-z]/g, ""), ...name.split(/[^a-z]+/)].find((word) => word && CSS.supports("color", word));
  }

  const { groups, notice } = JSON.parse(one("#page-data").textContent);
  const rows = [...document.querySelectorAll("script.rows")].flatMap((script) => JSON.parse(script.textContent));
  rows.forEach((row, at) => {
    row.at = at;
    row.labels = groups.map(() => []);
    for (const [group, label, , , , decision] of row.tags) {
      if (decision !== "abstain") row.labels[group].push(label);
      if (decision === "review") row.review = true;
    }
    for (const g of row.unsure) row.labels[g].push(""); // "" stands for unsure
    row.text = [row.title, row.id, row.error || "", ...row.labels.flat()].join("\n").toLowerCase();
  });

  // What is chosen: a view, words, and labels per group (any of them within a group, all groups together).
  // What a product lacks as a whole is an answer to the label file's first question.
  const main = groups.findIndex((group) => group.exclusive);
  const missing = "ithout " + (main < 0 ? "doubt" : words(groups[main].name));
  const VIEWS = {
    all: ["All", () => true],
    unsure: ["W" + missing, (row) => row.unsure.includes(main)],
    review: ["To review", (row) => row.review],
    errors: ["Errors", (row) => row.error],
  };
  const chosen = groups.map(() => new Set());
  let view = "all";
  let query = [];
  let shown = rows;
  let first = 0;

  function drawHead() {
    const errors = rows.filter((row) => row.error).length;
    const unsure = rows.filter(VIEWS.unsure[1]).length;
    for (const [name, n, className] of [
      ["products", rows.length], ["tagged", rows.length - errors],
      ["w" + missing, unsure], ["errors", errors, errors ? "bad" : ""],
    ]) {
      const cell = make("div", className);
      cell.append(make("dt", "", name), make("dd", "", count(n)));
      one("#counts").append(cell);
    }
    one("#notice").textContent = notice;
    one("#notice").hidden = !notice;
    for (const [key, [name, test]] of Object.entries(VIEWS)) {
      const n = rows.filter(test).length;
      if (key !== "all" && !n) continue;
      const label = make("label");
      const input = make("input");
      Object.assign(input, { type: "radio", name: "view", value: key, checked: key === view });
      input.addEventListener("change", () => { view = key; update(); });
      label.append(input, name, make("span", "n", count(n)));
      one("#views").append(label);
    }
    one("#legend-review").hidden = !rows.some((row) => row.review);
  }

  const boxes = groups.map(() => new Map()); // label → its row among the filters
  function drawFilters() {
    groups.forEach((group, g) => {
      const totals = new Map();
      for (const row of rows) for (const label of row.labels[g]) totals.set(label, (totals.get(label) || 0) + 1);
      if (!totals.size) return;
      const order = [...totals].sort((a, b) => (a[0] === "") - (b[0] === "") || b[1] - a[1]).map(([label]) => label);
      const facet = make("fieldset", "facet");
      const legend = make("legend", "", words(group.name));
      legend.title = group.name;
      facet.append(legend);
      const hidden = order.filter((label, k) => k >= SHORT && label !== "");
      for (const label of order) {
        const line = make("label", label ? "" : "empty");
        const box = make("input");
        box.type = "checkbox";
        box.addEventListener("change", () => { chosen[g][box.checked ? "add" : "delete"](label); update(); });
        const name = make("span", "name", label || "unsure");
        name.title = label;
        const number = make("span", "n");
        line.append(box, name, number);
        line.hidden = hidden.length > 1 && hidden.includes(label);
        boxes[g].set(label, { line, box, number });
        facet.append(line);
      }
      if (hidden.length > 1) {
        const more = make("button", "more", `${count(hidden.length)} more`);
        more.type = "button";
        more.addEventListener("click", () => {
          for (const label of hidden) boxes[g].get(label).line.hidden = false;
          boxes[g].get(hidden[0]).box.focus();
          more.remove();
        });
        facet.append(more);
      }
      one("#facets").append(facet);
    });
  }

  function update() {
    const active = groups.map((_, g) => g).filter((g) => chosen[g].size);
    const counts = groups.map(() => new Map());
    const add = (row, g) => { for (const label of row.labels[g]) counts[g].set(label, (counts[g].get(label) || 0) + 1); };
    shown = [];
    for (const row of rows) {
      if (!VIEWS[view][1](row) || !query.every((word) => row.text.includes(word))) continue;
      const failing = active.filter((g) => !row.labels[g].some((label) => chosen[g].has(label)));
      if (!failing.length) { shown.push(row); groups.forEach((_, g) => add(row, g)); }
      else if (failing.length === 1) add(row, failing[0]); // what one more tick in that group would add
    }
    boxes.forEach((lines, g) => lines.forEach(({ line, box, number }, label) => {
      const n = counts[g].get(label) || 0;
      number.textContent = count(n);
      line.classList.toggle("none", !n);
      box.checked = chosen[g].has(label);
      if (box.checked) line.hidden = false;
    }));
    drawActive(active);
    first = 0;
    drawSheet();
  }

  function drawActive(active) {
    const pills = active.flatMap((g) => [...chosen[g]].map((label) => {
      const pill = make("button", "", `${words(groups[g].name)}: ${label || "unsure"}  ×`);
      pill.type = "button";
      pill.setAttribute("aria-label", `Remove the filter ${groups[g].name} ${label || "unsure"}`);
      pill.addEventListener("click", () => { chosen[g].delete(label); update(); });
      return pill;
    }));
    if (pills.length > 1) {
      const clear = make("button", "clear", "Clear all");
      clear.type = "button";
      clear.addEventListener("click", () => { chosen.forEach((labels) => labels.clear()); update(); });
      pills.push(clear);
    }
    one("#active").replaceChildren(...pills);
    one("#active").hidden = !pills.length;
  }

  function tag([group, label, score, source, method, decision]) {
    const chip = make("span", "tag" + (decision ? " " + decision : ""));
    const colour = /colou?r/i.test(groups[group].name) && swatch(label);
    if (colour) {
      const dot = make("span", "dot");
      dot.style.background = colour;
      chip.append(dot);
    }
    chip.append(make("span", "name", label), make("span", "score", score.toFixed(2)));
    if (source === "both") chip.append(icon("image"), icon("title"));
    else chip.append(icon(source));
    chip.style.setProperty("--score", Math.max(0, Math.min(1, score)));
    chip.title = `${groups[group].name} = ${label}\nscore ${score.toFixed(3)}, ${FROM[source]}` +
      (method === "probe" ? ", by the probe" : "") + (decision ? `\n${decision}` : "");
    return chip;
  }

  function pictures(row) {
    const names = ["t" + row.at, ...Array.from({ length: (row.photos || 1) - 1 }, (_, k) => `t${row.at}-${k + 1}`)];
    return names.map((name) => document.getElementById(name)).filter(Boolean).map((thumb) => {
      const image = make("img");
      image.alt = "";
      image.decoding = "async";
      image.src = "data:image/jpeg;base64," + thumb.textContent;
      return image;
    });
  }

  function card(row) {
    const item = make("li", row.error ? "card error" : "card");
    const pic = make("div", "pic");
    const [thumb, ...others] = pictures(row);
    if (thumb) {
      // A picture of 60 pixels fills no card: blurred beyond 2.5 times its size, it shows less.
      thumb.onload = () => Object.assign(thumb.style, {
        maxWidth: 2.5 * thumb.naturalWidth + "px", maxHeight: 2.5 * thumb.naturalHeight + "px",
      });
      pic.append(thumb);
    } else pic.textContent = row.error ? "can’t be read" : "no picture here";
    const body = make("div", "body");
    const head = make("div");
    const title = make("h2", row.title ? "" : "untitled", row.title || "no title");
    title.title = row.title;
    const id = make("p", "id", row.id);
    id.title = row.path;
    head.append(title, id);
    body.append(head);
    if (others.length) {
      const strip = make("div", "photos");
      strip.append(...others);
      body.append(strip);
    }
    if (row.error || row.note) body.append(make("p", "reason", row.error || row.note));
    const list = make("dl", "tags");
    groups.forEach((group, g) => {
      const tags = row.tags.filter((entry) => entry[0] === g);
      if (!tags.length) return;
      const line = make("div");
      const value = make("dd");
      value.append(...tags.map(tag));
      const name = make("dt", "", words(group.name));
      name.title = group.name;
      line.append(name, value);
      list.append(line);
    });
    if (list.children.length) body.append(list);
    if (row.unsure.length) {
      const line = make("p", "unsure");
      line.append(make("b", "", "unsure:"), " " + row.unsure.map((g) => words(groups[g].name)).join(", "));
      body.append(line);
    }
    item.append(pic, body);
    return item;
  }

  function drawSheet() {
    const last = Math.min(first + PER_PAGE, shown.length);
    one("#sheet").replaceChildren(...shown.slice(first, last).map(card));
    one("#nothing").hidden = shown.length > 0;
    one("#shown").textContent = shown.length === rows.length ? "" : `${count(shown.length)} of ${count(rows.length)}`;
    one("#pager").hidden = shown.length <= PER_PAGE;
    one("#range").textContent = `${count(first + 1)}–${count(last)} of ${count(shown.length)}`;
    one("#back").disabled = first === 0;
    one("#on").disabled = last === shown.length;
  }

  function turn(step) {
    first += step * PER_PAGE;
    drawSheet();
    one("main").scrollIntoView();
  }

  let waiting;
  one("#search").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { query = event.target.value.toLowerCase().split(/\s+/).filter(Boolean); update(); }, 120);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input[type=search]")) return;
    event.preventDefault();
    one("#search").focus();
  });
  one("#scores").addEventListener("change", (event) => one("#sheet").classList.toggle("scores", event.target.checked));
  one("#back").addEventListener("click", () => turn(-1));
  one("#on").addEventListener("click", () => turn(1));
  one("#filters").open = !matchMedia("(max-width: 820px)").matches;
  one("#search").disabled = false;
  drawHead();
  drawFilters();
  update();
})();
