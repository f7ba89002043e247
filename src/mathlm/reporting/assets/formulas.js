// Formulas as trees to MathML elements. The trees were made from a model's text: only known
// elements and attributes are built, and text is never markup.

const MATHML = "http://www.w3.org/1998/Math/MathML";
const MATH_TAGS = new Set((
  "math mrow mi mn mo ms mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover "
  + "mtable mtr mtd mstyle mpadded mphantom menclose mmultiscripts mprescripts"
).split(" "));
const MATH_ATTRIBUTES = new Set((
  "mathvariant stretchy fence form separator columnalign rowalign accent accentunder "
  + "movablelimits displaystyle scriptlevel notation symmetric largeop columnlines "
  + "lspace rspace width minsize maxsize linethickness"
).split(" "));

function mathElement(tree) {
  const [name, attributes, ...children] = tree;
  if (!MATH_TAGS.has(name)) return document.createTextNode(formulaText(tree));
  const element = document.createElementNS(MATHML, name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (MATH_ATTRIBUTES.has(key)) element.setAttribute(key, value);
  }
  for (const child of children) {
    element.append(typeof child === "string" ? child : mathElement(child));
  }
  return element;
}

// Pieces of a text: strings, and numbers of formulas in the chunk's table.
function rich(pieces, table) {
  const fragment = document.createDocumentFragment();
  for (const piece of pieces) {
    if (typeof piece === "string") {
      fragment.append(piece);
    } else {
      const [display, tree] = table[piece];
      const element = mathElement(tree);
      if (display) element.setAttribute?.("display", "block");
      fragment.append(element);
    }
  }
  return fragment;
}
