"use strict";
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const one = document.getElementById("one");
  const other = document.getElementById("other");
  const comparison = document.getElementById("comparison");
  const large = document.getElementById("large");
  document.documentElement.classList.add("js");

  const made = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  // Pages: the part of the address behind # says which; a place within a page shows the page it is on.
  const show = (id) => {
    const target = document.getElementById(id) || document.getElementById("boards");
    const page = target.closest(".page");
    for (const each of document.querySelectorAll(".page")) each.classList.toggle("current", each === page);
    if (target === page) window.scrollTo(0, 0);
    else target.scrollIntoView();
  };
  const named = () => decodeURIComponent(location.hash.slice(1)) || "boards";
  window.addEventListener("hashchange", () => show(named()));

  // Two models of one board
  const fill = (select, models) => {
    const boards = new Map();
    for (const model of models) boards.set(model.board, [...(boards.get(model.board) || []), model]);
    select.replaceChildren(...[...boards].map(([board, those]) => {
      const group = made("optgroup");
      group.label = board;
      group.append(...those.map((model) => new Option(model.reference, model.reference)));
      return group;
    }));
  };
  const table = (a, b, names, of) => {
    const body = made("tbody");
    for (const name of names) {
      const row = made("tr", undefined, of(a)[name] === of(b)[name] ? "same" : "different");
      row.append(made("th", name), made("td", of(a)[name] ?? "-"), made("td", of(b)[name] ?? "-"));
      body.append(row);
    }
    const head = made("thead");
    const row = made("tr");
    row.append(made("th", ""), made("th", a.reference), made("th", b.reference));
    head.append(row);
    const whole = made("table", undefined, "plain");
    whole.append(head, body);
    return whole;
  };
  const figures = (model) => new Map(
    [...document.getElementById(model.reference).querySelectorAll("figure[data-name]")].map((f) => [f.dataset.name, f]));
  const pictures = (a, b) => {
    const [left, right] = [figures(a), figures(b)];
    return [...left.keys()].filter((name) => right.has(name)).map((name) => {
      const pair = made("div", undefined, "pictures");
      for (const [model, of] of [[a, left], [b, right]]) {
        const figure = of.get(name).cloneNode(true);
        figure.querySelector("figcaption").prepend(`${model.reference}: `);
        pair.append(figure);
      }
      return pair;
    });
  };
  const compare = () => {
    const a = facts.find((model) => model.reference === one.value);
    const b = facts.find((model) => model.reference === other.value);
    comparison.replaceChildren();
    if (!a || !b) return;
    const gain = (a.value - b.value) * (a.higher ? 1 : -1);
    const [better, worse] = gain >= 0 ? [a, b] : [b, a];
    const said = gain === 0 ? `Both have the same ${a.metric}.`
      : `${better.reference} is better than ${worse.reference} by ${Number(Math.abs(gain).toPrecision(3))} in ${a.metric}.`;
    const recipes = Object.keys({...a.recipe, ...b.recipe}).filter((name) => a.recipe[name] !== b.recipe[name]);
    comparison.append(
      made("p", said, "verdict-line"),
      made("p", "Each interval is of one model by itself: on the same units two models may differ although theirs overlap.", "under"),
      table(a, b, Object.keys({...a.said, ...b.said}), (model) => model.said));
    const pairs = pictures(a, b);
    if (pairs.length) comparison.append(made("h2", "Pictures of both"), ...pairs);
    if (recipes.length) comparison.append(made("h2", "What their recipes differ in"), table(a, b, recipes, (model) => model.recipe));
  };
  const choose = (first) => {
    const model = facts.find((each) => each.reference === first) || facts[0];
    if (!model) return;
    one.value = model.reference;
    const beside = facts.filter((each) => each.board === model.board && each !== model);
    fill(other, beside);
    compare();
  };
  fill(one, facts);
  one.addEventListener("change", () => choose(one.value));
  other.addEventListener("change", compare);
  choose();

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) {  // by hand, because a frame may keep its address to itself
      event.preventDefault();
      if (link.dataset.one) choose(link.dataset.one);
      const id = decodeURIComponent(link.getAttribute("href").slice(1));
      if (named() === id) show(id);
      else location.hash = id;
    } else if (event.target.matches(".pictures img")) enlarge(event.target);
  });
  const enlarge = (image) => {
    large.querySelector("img").src = image.src;
    large.querySelector("img").alt = image.alt;
    large.querySelector("p").textContent = image.closest("figure").querySelector("figcaption").textContent;
    large.showModal();
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches(".pictures img")) enlarge(event.target);
  });
  large.addEventListener("click", () => large.close());
  show(named());
})();
