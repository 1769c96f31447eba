// Steps through the versions: what was not yet so is hidden. Without this, the page shows the latest.
"use strict";
const stepper = document.getElementById("stepper");
const slider = stepper.querySelector("input");
const told = stepper.querySelector("output");
const last = Number(slider.max);
const things = [...document.querySelectorAll("[data-when]")].map((element) => ({
  element,
  spans: element.dataset.when.split(" ").map((span) => {
    const [from, to] = span.split("-");
    return [Number(from), to === "" ? Infinity : Number(to)];
  }),
}));
let shown = last;
let current = null;
function show(version) {
  shown = Math.min(Math.max(version, 1), last);
  slider.value = String(shown);
  for (const { element, spans } of things) {
    const hidden = !spans.some(([from, to]) => from <= shown && shown < to);
    // Marks in a drawing have no property for this, only the attribute.
    if (element.hasAttribute("hidden") !== hidden) element.toggleAttribute("hidden", hidden);
  }
  current?.classList.remove("current");
  const row = document.getElementById(`v${shown}`);
  current = shown < last ? row : null;
  current?.classList.add("current");
  const said = row?.querySelector(".told")?.textContent ?? "";
  told.textContent = (shown === last ? "Latest, version " : "As of version ") + `${shown}: ${said}`;
  stepper.classList.toggle("back-then", shown < last); // which is printed too
  slider.setAttribute("aria-valuetext", `version ${shown} of ${last}`);
}
let waiting = false;
slider.addEventListener("input", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; show(Number(slider.value)); });
});
for (const button of stepper.querySelectorAll("button")) {
  button.addEventListener("click", () => {
    const by = button.dataset.by;
    show(by === "first" ? 1 : by === "last" ? last : shown + Number(by));
  });
}
// A link to an entry that is not there yet leads to the version at which it is.
addEventListener("hashchange", () => {
  const to = /^#v(\d+)$/.exec(location.hash);
  if (to && Number(to[1]) > shown) {
    show(last);
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }
});
const closed = [...document.querySelectorAll("details")];
addEventListener("beforeprint", () => closed.forEach((one) => { one.dataset.was = one.open ? "1" : ""; one.open = true; }));
addEventListener("afterprint", () => closed.forEach((one) => { one.open = one.dataset.was === "1"; }));
stepper.hidden = false;
show(last);
