// "Insert a field": what is chosen goes where one was writing last, and its fallback is selected to be written over.
document.addEventListener("DOMContentLoaded", () => {
  let last = document.getElementById("title");
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-liquid]")) last = event.target;
  });
  document.querySelector("[data-insert]").addEventListener("change", (event) => {
    const text = event.target.value;
    event.target.value = "";
    if (!text) return;
    const start = last.selectionStart;
    last.setRangeText(text, start, last.selectionEnd, "end");
    last.focus();
    const dots = text.indexOf("…");
    if (dots >= 0) last.setSelectionRange(start + dots, start + dots + 1);
    last.dispatchEvent(new Event("input", { bubbles: true }));
  });
});
