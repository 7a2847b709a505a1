"use strict";
// Sorting: numbers by size, words by letters, what is missing at the end.
const table = document.getElementById("figures");
const body = table.tBodies[0];
[...table.tHead.rows[0].cells].forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
    const value = (row) => row.cells[column].dataset.value;
    const number = (text) => (text.trim() === "" ? NaN : Number(text));
    const order = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const both = number(x) - number(y);
      return down * (Number.isNaN(both) ? x.localeCompare(y) : both);
    };
    body.append(...[...body.rows].sort(order));
  });
});

// Charts: the values of all groups at the step below the pointer.
const tip = document.getElementById("tip");
const numbers = (text) => text.split(" ").map(Number);
const short = (value) => String(Number(value.toPrecision(4)));
for (const chart of document.querySelectorAll("svg.chart")) {
  const [x0, x1, left, right] = numbers(chart.dataset.x);
  const [y0, y1, bottom, top, log] = numbers(chart.dataset.y);
  const lines = [...chart.querySelectorAll("polyline.mean")].map((line) => ({
    line,
    label: line.dataset.label,
    points: line.getAttribute("points").split(" ").map((point) => point.split(",").map(Number)),
  }));
  const valueAt = (y) => {
    const share = (y - bottom) / (top - bottom);
    return log ? 10 ** (Math.log10(y0) + share * (Math.log10(y1) - Math.log10(y0))) : y0 + share * (y1 - y0);
  };
  const cursor = document.createElementNS(chart.namespaceURI, "line");
  cursor.setAttribute("class", "cursor");
  const hide = () => { tip.hidden = true; cursor.remove(); };
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
    const shown = lines.filter(({ line }) => !line.classList.contains("hidden"));
    if (x < left - 4 || x > right + 4 || !shown.length) return hide();
    const near = (points) => points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
    const at = shown.map((line) => near(line.points)).reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a))[0];
    const step = Math.round(x0 + ((at - left) / (right - left)) * (x1 - x0));
    const values = shown
      .filter((line) => Math.abs(near(line.points)[0] - at) < 12)
      .map((line) => `${line.label}: ${short(valueAt(near(line.points)[1]))}`);
    for (const [name, place] of [["x1", at], ["x2", at], ["y1", top], ["y2", bottom]]) cursor.setAttribute(name, place);
    chart.append(cursor);
    tip.textContent = [`about step ${step.toLocaleString("en")}`, ...values].join("\n");
    tip.hidden = false;
    const beside = event.pageX + 14 + tip.offsetWidth > document.documentElement.clientWidth;
    tip.style.left = `${Math.max(0, beside ? event.pageX - 14 - tip.offsetWidth : event.pageX + 14)}px`;
    tip.style.top = `${event.pageY + 14}px`;
  });
}

// Samples: a click enlarges.
const zoom = document.getElementById("zoom");
for (const image of document.querySelectorAll(".pictures img")) {
  image.addEventListener("click", () => { zoom.firstElementChild.src = image.src; zoom.showModal(); });
}
zoom.addEventListener("click", () => zoom.close());

// A chart as a file of its own: the styles that the page gives it are written into its elements.
const STYLED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "font-size", "font-family", "text-anchor", "paint-order", "display"];
for (const button of document.querySelectorAll(".download")) {
  button.addEventListener("click", () => {
    const chart = button.closest("figure").querySelector("svg.chart");
    const copy = chart.cloneNode(true);
    const parts = [chart, ...chart.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((part, index) => {
      const style = getComputedStyle(parts[index]);
      for (const name of STYLED) part.style.setProperty(name, style.getPropertyValue(name));
    });
    const { width, height } = chart.viewBox.baseVal;
    copy.style.setProperty("background", getComputedStyle(document.documentElement).backgroundColor);
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    const link = document.createElement("a");
    const text = new XMLSerializer().serializeToString(copy);
    link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    link.download = `${button.dataset.name.replace(/[^\w.-]+/g, "_")}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

// A name in the legend: a click hides the curves of its group, in all charts.
const groupOf = (named) => [...named.classList].find((name) => /^g\d+$/.test(name));
for (const button of document.querySelectorAll(".keys button")) {
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", shown);
    for (const part of document.querySelectorAll(`svg.chart .${groupOf(button.parentElement)}`)) {
      part.classList.toggle("hidden", !shown);
    }
  });
}

// A group in a legend or in the table: all others step back.
for (const named of document.querySelectorAll(".keys li, #figures tbody tr")) {
  const own = groupOf(named);
  const drawn = document.querySelectorAll(".mean, .run, .band, .mark, .dot");
  const dim = (others) => drawn.forEach((part) => part.classList.toggle("dim", others && !part.classList.contains(own)));
  named.addEventListener("pointerenter", () => dim(true));
  named.addEventListener("pointerleave", () => dim(false));
}
