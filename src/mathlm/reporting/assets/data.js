// The page's data: an index and chunks of texts, each deflated JSON in base64 inside an element
// that no browser runs. A chunk is unpacked when it is first looked at; few are kept.

const KEPT_CHUNKS = 12;
const chunks = new Map();

async function unpack(id) {
  const element = document.getElementById(id);
  if (!element) return null;
  const bytes = Uint8Array.from(atob(element.textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

function chunk(number) {
  if (!chunks.has(number)) {
    chunks.set(number, unpack(`data-${number}`));
    if (chunks.size > KEPT_CHUNKS) chunks.delete(chunks.keys().next().value);
  }
  return chunks.get(number);
}

// What a search looks through: question, answer and text of one item, in lower case.
function plain(pieces) {
  return pieces.filter((piece) => typeof piece === "string").join(" ");
}

function searchText(problem, item) {
  const parts = [plain(problem.q), ...(problem.c || []).map(plain), plain(problem.a || [])];
  for (const segment of item.s) {
    parts.push(typeof segment[1] === "string" ? segment[1] : plain(segment[1]));
  }
  for (const said of item.v) if (said) parts.push(said[0] || "");
  return parts.join("\n").toLowerCase();
}

// Formulas are searched by their characters, as MathML shows them.
function formulaText(tree) {
  return tree.slice(2).map((child) => (typeof child === "string" ? child : formulaText(child)))
    .join("");
}
