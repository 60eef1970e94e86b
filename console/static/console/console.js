// htmx for pages under a content security policy: no eval, no history copies, only our own server.
htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0;

document.addEventListener("htmx:configRequest", (event) => {
  const field = document.querySelector("[name=csrfmiddlewaretoken]");
  if (field) event.detail.headers["X-CSRFToken"] = field.value;
});

// A fragment that was signed out in the meantime answers with the sign-in page: go there as a whole page.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.responseURL.includes("/console/login/")) {
    event.detail.shouldSwap = false;
    window.location.reload();
  }
});

// <button data-copy="#id"> puts that element's text on the clipboard.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const target = document.querySelector(button.dataset.copy);
  await navigator.clipboard.writeText(target.value ?? target.textContent.trim());
  button.textContent = "Copied";
});

// <form data-busy="Asking Google …"> says so on its button while the answer is on its way, and is sent once.
document.addEventListener("submit", (event) => {
  const { busy } = event.target.dataset;
  const button = busy && event.target.querySelector("button.hd-primary");
  if (!button) return;
  setTimeout(() => {
    button.disabled = true;
    button.textContent = busy;
  });
});
