// Help for whoever has JavaScript; the page works without it.
"use strict";

const text = document.getElementById("adql");
const form = text.form;

// Ctrl-Enter runs the query.
text.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit(form.querySelector("button[value=run]"));
  }
});

// An error's place: the cursor goes there. Columns count characters, JavaScript counts halves of some.
const error = document.querySelector("pre.error[data-line]");
if (error) {
  const lines = text.value.split("\n");
  const line = Number(error.dataset.line) - 1;
  const before = lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, 0);
  const place = before + Array.from(lines[line] || "").slice(0, Number(error.dataset.column) - 1).join("").length;
  text.focus({ preventScroll: true });
  text.setSelectionRange(place, place);
}

// A click on a name puts it where the cursor is.
for (const name of document.querySelectorAll("[data-insert]")) {
  name.tabIndex = 0;
  name.setAttribute("role", "button");
  const insert = event => {
    const gap = /[\w"]$/.test(text.value.slice(0, text.selectionStart)) ? " " : "";
    text.setRangeText(gap + name.dataset.insert, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  };
  name.addEventListener("click", insert);
  name.addEventListener("keydown", event => event.key === "Enter" && insert(event));
}
