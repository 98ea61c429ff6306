"use strict";
// Tables that sort by their headings and shrink to what is searched for; confusion of one class among many.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...body.rows].sort((a, b) => {
        const [one, two] = [key(a), key(b)];
        const order = head.classList.contains("number") ? Number(one) - Number(two) : one.localeCompare(two);
        return down ? -order : order;
      });
      body.append(...rows);
    });
  });
}
for (const search of document.querySelectorAll("input.search")) {
  const rows = [...document.getElementById(search.dataset.table).tBodies[0].rows];
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  });
}
const data = document.getElementById("confusion-data");
const chosen = document.getElementById("confusion-class");
if (data && chosen) {
  const { names, cells } = JSON.parse(data.textContent);
  const list = (id, pairs) => {
    const items = pairs.slice(0, 30).map(([name, count]) => {
      const item = document.createElement("li");
      const label = document.createElement("bdi");
      label.textContent = names[name];
      item.append(label, `: ${count}`);
      return item;
    });
    document.getElementById(id).replaceChildren(...items);
  };
  const show = () => {
    const index = names.indexOf(chosen.value);
    document.getElementById("confusion-told").hidden = index < 0;
    if (index < 0) return;
    list("confusion-to", cells.filter((cell) => cell[0] === index).map((cell) => [cell[1], cell[2]]));
    list("confusion-from", cells.filter((cell) => cell[1] === index && cell[0] !== index).map((cell) => [cell[0], cell[2]]));
  };
  chosen.addEventListener("input", show);
  show();
}
