// One sample as elements: problem, all answers to it, the completion, what each policy said.

const STATUS = {
  c: ["correct", "✓"], i: ["incorrect", "✗"], n: ["no answer", "∅"], t: ["timeout", "⏱"],
  e: ["error", "!"], "-": ["not graded", "·"],
};

function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function mark(letter) {
  const [name, sign] = STATUS[letter];
  return el("span", { class: `mark ${name.replace(" ", "_")}`, role: "img", "aria-label": name }, sign);
}

function text(css, content) {
  return el("div", { class: `text ${css}`, dir: "auto" }, content);
}

function problemView(index, number, problem, table) {
  const columns = index.problems;
  const facts = [
    index.tasks[columns.t[number]], index.subjects[columns.j[number]], index.levels[columns.l[number]],
  ].filter((fact) => fact !== undefined);
  if (columns.h[number]) facts.push("stands in the corpus");
  if (columns.x[number] >= 0) facts.push(index.changes[columns.x[number]]);
  const parts = [
    el("h3", { id: "sample-title" }, columns.id[number]),
    el("p", { class: "facts" }, facts.join(" · ")),
    text("question", rich(problem.q, table)),
  ];
  if (problem.c) {
    parts.push(el("ol", { class: "choices", type: "A" },
      ...problem.c.map((choice) => el("li", { dir: "auto" }, rich(choice, table)))));
  }
  if (problem.a) {
    parts.push(el("p", { class: "gold" }, el("span", { class: "label" }, "Answer "), rich(problem.a, table)));
  }
  if (problem.w) {
    parts.push(el("details", { class: "plain" }, el("summary", {}, "Reference solution"),
      text("", rich(problem.w, table))));
  }
  return parts;
}

function segmentView(segment, table) {
  const [kind, content, status, level, variables] = segment;
  if (kind === "text") return text("", rich(content, table));
  if (kind === "forced") return text("forced", content);
  if (kind === "code") return el("pre", { class: "program", dir: "ltr" }, content);
  const title = `output${status ? ` (${status}${level ? `, sandbox ${level}` : ""})` : ""}`;
  const parts = [el("span", { class: "label" }, title), el("pre", { dir: "ltr" }, content)];
  if (variables && variables.length) {
    const shown = variables.map(([name, value]) => `${name} = ${value}`).join(", ");
    parts.push(el("pre", { class: "variables", dir: "ltr" }, shown));
  }
  return el("div", { class: "tool" }, ...parts);
}

function completionView(index, number, item, table) {
  const columns = index.items;
  const parts = item.s.map((segment) => segmentView(segment, table));
  if (item.absent) parts.push(el("p", { class: "note" }, "The completion is not in this run."));
  if (item.more) parts.push(el("p", { class: "note" }, `${item.more} further segments are not shown.`));
  const facts = [];
  if (columns.k[number]) facts.push(`${columns.k[number]} tokens written`);
  if (columns.f[number] >= 0) facts.push(`ended by ${index.finishes[columns.f[number]]}`);
  for (const [name, value] of Object.entries(item.scores || {})) facts.push(`${name} ${value.toPrecision(3)}`);
  if (facts.length) parts.push(el("p", { class: "note" }, facts.join(" · ")));
  return el("div", { class: "completion" }, ...parts);
}

function verdictTable(index, number, item) {
  const rows = index.policies.map((policy, place) => {
    const said = item.v[place];
    if (!said) return null;
    const [answer, gold, normalAnswer, normalGold, rule, reason] = said;
    const letter = index.items.v[place][number];
    const because = [rule, reason].filter(Boolean).join(": ");
    return el("tr", {},
      el("th", { scope: "row" }, policy),
      el("td", { class: "said" }, mark(letter), ` ${STATUS[letter][0]}`),
      el("td", { dir: "auto" }, answer ?? "–"),
      el("td", { dir: "auto" }, normalAnswer ?? "–"),
      el("td", { dir: "auto" }, normalGold ?? gold ?? "–"),
      el("td", {}, because || "–"));
  });
  const heads = ["policy", "verdict", "answer", "read as", "gold read as", "rule"];
  return el("div", { class: "scroll" }, el("table", { class: "verdicts" },
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, ...rows)));
}
