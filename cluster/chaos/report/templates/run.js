
// The moment of the square of links, which a line in the drawing of the run shows too.
{
  const square = document.getElementById("reachability");
  const { times, links, roles } = JSON.parse(square.dataset.moments);
  const slider = document.getElementById("time");
  const when = document.getElementById("when");
  const line = document.getElementById("now");
  const left = Number(line.getAttribute("x1"));
  const drawing = line.ownerSVGElement;
  const width = Number(drawing.getAttribute("width")) - left;
  const until = Number(slider.max);

  const written = (ms) => (ms >= 1000 ? `${(ms / 1000).toLocaleString("en", { maximumFractionDigits: 3 })} s` : `${ms} ms`);

  // The last place in a sorted list whose value is not later; -1 before the first.
  function last(list, ms) {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] <= ms) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  function show() {
    const ms = Number(slider.value);
    const state = links[last(times, ms)] ?? {};
    for (const cell of square.querySelectorAll("[data-link]")) {
      const said = state[cell.dataset.link] ?? "open";
      cell.textContent = said;
      cell.className = said;
    }
    for (const name of square.querySelectorAll("[data-node]")) {
      const spans = roles[name.dataset.node] ?? [];
      name.textContent = spans[last(spans.map(([from]) => from), ms)]?.[1] ?? "";
    }
    when.textContent = written(ms);
    slider.setAttribute("aria-valuetext", written(ms));
    line.setAttribute("transform", `translate(${(ms / until) * width},0)`);
  }

  function go(ms) {
    slider.value = String(ms);
    show();
  }

  slider.addEventListener("input", show);
  document.getElementById("earlier").addEventListener("click", () => {
    go(times[last(times, Number(slider.value) - 1)] ?? 0);
  });
  document.getElementById("later").addEventListener("click", () => {
    go(times[last(times, Number(slider.value)) + 1] ?? until);
  });
  drawing.addEventListener("click", (event) => {
    const box = drawing.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * Number(drawing.getAttribute("width")) - left;
    if (at >= 0) go(Math.round((at / width) * until));
  });
  show();
}
