"use strict";

// All that stands for one operation (its bar, its rows) lights up together.
function light(event) {
  const chosen = event.target.closest?.("[data-operation]")?.dataset.operation;
  for (const each of document.querySelectorAll("[data-operation]")) {
    each.classList.toggle("lit", each.dataset.operation === chosen);
  }
}
document.addEventListener("mouseover", light);
document.addEventListener("focusin", light);

// A link to a row opens the table that it stands in.
function open() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const table = target && target.closest("details");
  if (table && !table.open) {
    table.open = true;
    target.scrollIntoView({ block: "center" });
  }
}
addEventListener("hashchange", open);
open();

// Paper cannot be clicked.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
});
