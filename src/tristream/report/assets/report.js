// Tables are sorted by a click on a heading; without scripts they stand as they are.
"use strict";
const number = (cell) => parseFloat(cell.textContent.replaceAll(",", ""));
const before = (a, b) => {
  const [x, y] = [number(a), number(b)];
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return Number.isNaN(x) ? a.textContent.localeCompare(b.textContent, "en", { numeric: true }) : x - y;
};
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const [body] = table.tBodies;
  const heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => before(a.cells[column], b.cells[column]));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}
