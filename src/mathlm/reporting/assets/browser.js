// The browser of samples: filters, search, a list by pages, one sample beside it, keys.

const PAGE = 50;
const AGREE = "policies agree";
const APART = "disagree";
const KEYS = [
  ["j, ↓", "next sample"], ["k, ↑", "previous sample"], ["→", "next page"], ["←", "previous page"],
  ["/", "search"], ["a", "all answers side by side"], ["r", "reset all filters"], ["Esc", "leave the search"], ["?", "these keys"],
];
const root = document.getElementById("browser");
const state = { index: null, found: [], page: 0, current: -1, policy: 0, terms: [], texts: null, turn: 0, all: false };
const parts = {};

// Each filter: a label, a key of an item, and a name for a key; `pick` is what is chosen.
function makeFilters(index) {
  const { items, problems } = index;
  const named = (names, missing) => (value) => (value < 0 ? missing : names[value]);
  const letter = (item) => items.v[state.policy][item];
  const all = [
    ["verdict", letter, (value) => STATUS[value][0]],
    ["task", (item) => problems.t[items.p[item]], named(index.tasks)],
    ["model", (item) => items.m[item], named(index.models)],
    ["solver", (item) => items.s[item], named(index.solvers)],
    ["subject", (item) => problems.j[items.p[item]], named(index.subjects, "no subject")],
    ["level", (item) => problems.l[items.p[item]], named(index.levels, "no level")],
    ["agreement", (item) => disagreement(index, item), (value) => value],
    ["change", (item) => problems.x[items.p[item]], named(index.changes, "only one model")],
    ["form", (item) => items.g[item] & 1, (value) => (value ? "with a program" : "words only")],
    ["corpus", (item) => problems.h[items.p[item]], (value) => (value ? "in the corpus" : "not in it")],
    ["rule", (item) => items.r[item], named(index.rules, "not graded")],
    ["ended by", (item) => items.f[item], named(index.finishes, "unknown")],
  ];
  return all.map(([label, key, name]) => ({ label, key, name, pick: "", element: null }));
}

function disagreement(index, item) {
  const right = index.policies.filter((_, place) => index.items.v[place][item] === "c");
  const graded = index.policies.filter((_, place) => index.items.v[place][item] !== "-");
  if (right.length === 0 || right.length === graded.length) return AGREE;
  return `only ${right.join(", ")}`;
}

// The options of a filter with how many samples each would leave, the other filters being as they are.
function fillFilter(filter, items) {
  const counts = new Map();
  for (const item of items) {
    const value = filter.key(item);
    counts.set(value, (counts.get(value) || 0) + 1);
  }
  if (!filter.names) {
    const there = new Set(state.index.items.p.map((_, item) => filter.key(item)));
    filter.names = new Map([...there].map((value) => [String(value), filter.name(value)]));
    filter.box.hidden = filter.names.size < 2;
  }
  const entries = [...filter.names].map(([value, name]) => [value, name, 0]);
  const place = new Map(entries.map((entry) => [entry[0], entry]));
  for (const [value, count] of counts) if (place.has(String(value))) place.get(String(value))[2] = count;
  entries.sort((a, b) => a[1].localeCompare(b[1], "en", { numeric: true }));
  if (filter.label === "agreement" && entries.length > 1) {
    const agreeing = place.get(AGREE)?.[2] || 0;
    entries.unshift([APART, "policies disagree", items.length - agreeing]);
  }
  filter.element.replaceChildren(
    el("option", { value: "" }, "any"),
    ...entries.map(([value, name, count]) => el("option", { value }, `${name} (${count})`)));
  filter.element.value = filter.pick;
}

// For each filter the samples that pass all the others.
function refill(passing) {
  const active = state.filters.filter((filter) => filter.pick !== "");
  const open = new Map(state.filters.map((filter) => [filter, []]));
  for (const item of passing) {
    const failing = active.filter((filter) => !passes(filter, item));
    if (failing.length > 1) continue;
    for (const filter of failing.length ? failing : state.filters) open.get(filter).push(item);
  }
  for (const filter of state.filters) fillFilter(filter, open.get(filter));
}

function passes(filter, item) {
  if (filter.pick === "") return true;
  const value = String(filter.key(item));
  if (filter.pick === APART) return value !== AGREE;
  return value === filter.pick;
}

async function search() {
  const turn = ++state.turn;
  const index = state.index;
  let items = index.items.p.map((_, item) => item);
  if (state.terms.length) {
    const texts = await allTexts(turn);
    if (turn !== state.turn) return;
    items = items.filter((item) => state.terms.every((term) => texts[item].includes(term)));
  }
  refill(items);
  const found = items.filter((item) => state.filters.every((filter) => passes(filter, item)));
  state.found = found;
  state.page = 0;
  drawList();
  await show(found.length ? found[0] : -1, false);
}

async function allTexts(turn) {
  if (state.texts) return state.texts;
  const index = state.index;
  const texts = new Array(index.items.p.length).fill("");
  const last = Math.max(-1, ...new Set(index.items.c));
  for (let number = 0; number <= last; number++) {
    if (turn !== state.turn) return texts;
    parts.count.textContent = `reading the texts: ${number + 1} of ${last + 1}`;
    const data = await unpack(`data-${number}`);
    for (const [item, value] of Object.entries(data.i)) {
      const problem = index.items.p[item];
      const formulas = value.s.flatMap((segment) => (Array.isArray(segment[1]) ? segment[1] : []))
        .filter((piece) => typeof piece === "number")
        .map((piece) => formulaText(data.m[piece][1])).join(" ").toLowerCase();
      texts[item] = `${index.problems.id[problem]}\n${searchText(data.p[problem], value)}\n${formulas}`
        .toLowerCase();
    }
  }
  state.texts = texts;
  return texts;
}

function drawList() {
  const index = state.index;
  const pages = Math.max(1, Math.ceil(state.found.length / PAGE));
  const start = state.page * PAGE;
  const rows = state.found.slice(start, start + PAGE).map((item) => row(index, item));
  parts.list.replaceChildren(...rows);
  const total = index.items.p.length;
  parts.count.textContent = state.found.length === total
    ? `${total.toLocaleString("en")} samples`
    : `${state.found.length.toLocaleString("en")} of ${total.toLocaleString("en")} samples`;
  parts.place.textContent = `page ${state.page + 1} of ${pages}`;
  parts.previous.disabled = state.page === 0;
  parts.next.disabled = state.page >= pages - 1;
  if (!rows.length) parts.list.append(el("li", { class: "none" }, "Nothing passes these filters."));
}

function row(index, item) {
  const { items, problems } = index;
  const problem = items.p[item];
  const who = [index.models, index.solvers].map((names, place) => (names.length > 1 ? names[items[place ? "s" : "m"][item]] : null))
    .filter(Boolean).join(" · ");
  const sample = items.n[item] > 0 ? ` #${items.n[item]}` : "";
  return el("li", {}, el("button", {
    type: "button", "data-item": item, "aria-current": item === state.current ? "true" : null,
    onclick: () => show(item, false),
  }, mark(items.v[state.policy][item]),
  el("span", { class: "name" }, problems.id[problem], el("small", {}, `${index.tasks[problems.t[problem]]}${who ? ` · ${who}` : ""}${sample}`)),
  items.g[item] & 2 ? el("span", { class: "apart", title: "policies disagree" }, "≠") : null));
}

async function show(item, focus) {
  state.current = item;
  for (const button of parts.list.querySelectorAll("button")) {
    const here = Number(button.dataset.item) === item;
    if (here) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
    if (here && focus) button.scrollIntoView({ block: "nearest" });
  }
  if (item < 0) { parts.detail.replaceChildren(); return; }
  const index = state.index;
  const data = await chunk(index.items.c[item]);
  if (state.current !== item) return;
  const problem = index.items.p[item];
  const others = answersTo(index, problem, item);
  parts.detail.replaceChildren(
    ...problemView(index, problem, data.p[problem], data.m),
    siblings(index, item, others),
    ...(state.all && others.length > 1
      ? [el("div", { class: "cards" }, ...others.map((other) => card(index, other, data)))]
      : [completionView(index, item, data.i[item], data.m), verdictTable(index, item, data.i[item])]));
  parts.detail.scrollTop = 0;
}

// All answers to the problem stand together, so that models and samples can be compared.
function answersTo(index, problem, item) {
  const { items } = index;
  let first = item;
  while (first > 0 && items.p[first - 1] === problem) first--;
  const others = [];
  for (let other = first; other < items.p.length && items.p[other] === problem; other++) others.push(other);
  return others;
}

function whose(index, item) {
  const { items } = index;
  return [index.models.length > 1 ? index.models[items.m[item]] : null, index.solvers[items.s[item]]]
    .filter(Boolean).join(" · ") || "answer";
}

function siblings(index, item, others) {
  const { items } = index;
  const buttons = others.map((other) => {
    const alike = (o) => o !== other && items.m[o] === items.m[other] && items.s[o] === items.s[other];
    const sample = others.some(alike) ? ` #${items.n[other]}` : "";
    const pressed = other === item || state.all ? "true" : "false";
    return el("button", { type: "button", "aria-pressed": pressed, onclick: () => { state.all = false; show(other, true); } },
      mark(items.v[state.policy][other]), ` ${whose(index, other)}${sample}`);
  });
  const all = others.length < 2 ? null : el("button", {
    type: "button", class: "all", "aria-pressed": state.all ? "true" : "false", onclick: toggleAll,
  }, "side by side");
  return el("div", { class: "answers", role: "group", "aria-label": "answers to this problem" }, ...buttons, all);
}

function toggleAll() {
  state.all = !state.all;
  show(state.current, false);
}

function card(index, item, data) {
  const letter = index.items.v[state.policy][item];
  const said = data.i[item].v[state.policy];
  const judged = said ? `answer ${said[0] ?? "none"}${said[4] ? `, by the rule ${said[4]}` : ""}` : "not graded";
  return el("section", { class: `card ${STATUS[letter][0].replace(" ", "_")}` },
    el("h4", {}, mark(letter), ` ${whose(index, item)}${index.items.n[item] ? ` #${index.items.n[item]}` : ""}`),
    completionView(index, item, data.i[item], data.m),
    el("p", { class: "note" }, judged));
}

function move(step) {
  const place = state.found.indexOf(state.current);
  const target = place < 0 ? 0 : place + step;
  if (target < 0 || target >= state.found.length) return;
  const page = Math.floor(target / PAGE);
  if (page !== state.page) { state.page = page; drawList(); }
  show(state.found[target], true);
}

function turnPage(step) {
  const pages = Math.ceil(state.found.length / PAGE);
  const page = state.page + step;
  if (page < 0 || page >= pages) return;
  state.page = page;
  drawList();
  show(state.found[page * PAGE], true);
}

function reset() {
  for (const filter of state.filters) { filter.pick = ""; filter.element.value = ""; }
  parts.search.value = "";
  state.terms = [];
  return search();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || parts.help.open) return;
  const target = event.target;
  const typing = target.closest?.("input, select, textarea");
  if (event.key === "Escape" && typing) { target.blur(); return; }
  if (typing) return;
  const inside = root.contains(target) && !parts.detail.contains(target);
  const actions = {
    j: () => move(1), k: () => move(-1), a: toggleAll, r: reset, "?": () => parts.help.showModal(),
    "/": () => { parts.search.focus(); parts.search.select(); },
    ArrowRight: () => turnPage(1), ArrowLeft: () => turnPage(-1),
  };
  if (inside) Object.assign(actions, { ArrowDown: () => move(1), ArrowUp: () => move(-1) });
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  if (["j", "k", "/", "ArrowRight", "ArrowLeft"].includes(event.key)) root.scrollIntoView({ block: "nearest" });
  action();
}

function build(index) {
  state.filters = makeFilters(index);
  for (const filter of state.filters) {
    filter.element = el("select", { "aria-label": filter.label, onchange: () => { filter.pick = filter.element.value; search(); } });
    filter.box = el("label", {}, el("span", {}, filter.label), filter.element);
  }
  let waiting = 0;
  parts.search = el("input", { type: "text", role: "searchbox", placeholder: "search in questions and answers", "aria-label": "search", oninput: () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.terms = parts.search.value.toLowerCase().split(/\s+/).filter(Boolean); search(); }, 250);
  } });
  const judge = el("select", { "aria-label": "verdicts of", onchange: () => {
    state.policy = Number(judge.value);
    state.filters[0].pick = "";
    state.filters[0].names = null;
    search();
  } }, ...index.policies.map((name, place) => el("option", { value: place }, name)));
  judge.value = String(state.policy);
  parts.count = el("p", { class: "count", role: "status" });
  parts.list = el("ul", { class: "items", "aria-label": "samples" });
  parts.place = el("span", {});
  parts.previous = el("button", { type: "button", onclick: () => turnPage(-1) }, "‹ previous");
  parts.next = el("button", { type: "button", onclick: () => turnPage(1) }, "next ›");
  parts.detail = el("article", { class: "detail", "aria-labelledby": "sample-title", tabindex: 0 });
  parts.help = el("dialog", { "aria-label": "keys" }, el("h3", {}, "Keys"),
    el("dl", {}, ...KEYS.flatMap(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    el("button", { type: "button", onclick: () => parts.help.close() }, "close"));
  const judged = el("label", { hidden: index.policies.length < 2 }, el("span", {}, "verdicts of"), judge);
  root.replaceChildren(
    el("div", { class: "filters" }, el("label", { class: "wide" }, el("span", {}, "search"), parts.search), judged,
      ...state.filters.map((filter) => filter.box),
      el("button", { type: "button", class: "reset", onclick: reset }, "reset")),
    parts.count,
    el("div", { class: "split" },
      el("div", { class: "side" }, parts.list, el("div", { class: "pages" }, parts.previous, parts.place, parts.next)),
      parts.detail),
    parts.help);
}

async function start() {
  try {
    state.index = await unpack("data-index");
    if (!state.index) return;
    state.policy = state.index.counting[0] || 0;
    build(state.index);
    await search();
    document.addEventListener("keydown", onKey);
    root.dataset.ready = "yes";
  } catch (error) {
    root.textContent = `The samples cannot be shown: ${error.message}. A browser of 2023 or later is needed.`;
  }
}

if (root) start();
