// The server answers each change with the rule's rows anew. While an answer is on its way one goes on typing: an answer
// to an older form is not shown, for it would wipe out what was typed since. The same is asked again of the form as it is.
const asked = new WeakMap();
const written = () => new URLSearchParams(new FormData(document.getElementById("segment-form"))).toString();
const isTree = (event) => event.detail.target.id === "segment-tree";
let again = Promise.resolve(); // one after the other: each starts from what the one before made of the form

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isTree(event)) asked.set(event.detail.xhr, written());
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  if (!isTree(event) || asked.get(xhr) === written()) return;
  event.detail.shouldSwap = false;
  const what = { source: "#segment-form", target: "#segment-tree", values: { do: requestConfig.parameters.do ?? "" } };
  again = again.then(() => htmx.ajax("POST", requestConfig.path, what)).catch(() => {});
});
