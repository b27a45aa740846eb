// The statistics page: how far people are, and how often each label is given.
"use strict";
function figure(name, value, small = false) {
  const box = make("div");
  box.append(make("dt", "", name), make("dd", small ? "small" : "", value));
  return box;
}

function group([name, labels]) {
  const box = make("section"), list = make("ul");
  const given = labels.filter((one) => one.count);
  for (const { label, count, share } of given.slice(0, 12)) {
    const line = make("li");
    line.append(make("span", "", label), make("meter", "", "", { value: share, title: label }),
      make("span", "n", `${count.toLocaleString("en")} · ${Math.round(share * 100)} %`));
    list.append(line);
  }
  const rest = given.length - 12;
  box.append(make("h2", "", name), list);
  if (rest > 0) box.append(make("p", "", `and ${rest} more`));
  if (labels.length > given.length) box.append(make("p", "", `${labels.length - given.length} labels are never given`));
  return box;
}

ask("/v1/stats").then((told) => {
  showProgress(told.reviewed, told.items);
  $("figures").append(
    figure("products", told.items.toLocaleString("en")),
    figure("reviewed", told.reviewed.toLocaleString("en")),
    figure("decisions", told.decisions.toLocaleString("en")),
    figure("labels", told.labels, true),
    figure("judged by", told.probe ? `what was learned from ${told.probe.products} products` : "zero-shot", true),
    figure("model", told.model, true));
  $("groups").append(...Object.entries(told.groups).map(group));
  if (told.trouble) say(told.trouble, true);
}).catch(complain);
