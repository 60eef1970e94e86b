// Draws each figure that a page carries as JSON: <div data-chart="id of the json script">.
// Colours named in a figure (accent, muted, faint, good) are the page's, so that light and dark both fit.
(() => {
  const css = (name, fallback) => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || fallback;
  const palette = () => {
    const dark = document.documentElement.classList.contains("dark");
    return {
      accent: css("--hd-brand", dark ? "#8b98ff" : "#3f51d9"),
      muted: dark ? "#8d95ab" : "#7b8397",
      faint: dark ? "#3a4157" : "#cdd3e2",
      good: dark ? "#6fd6a5" : "#14764a",
      ink: dark ? "#d9ddea" : "#2a3042",
      grid: dark ? "#2a3042" : "#e6e9f1",
    };
  };
  const named = (one, colours) => (Array.isArray(one) ? one.map((c) => colours[c] || c) : colours[one] || one);
  const painted = (value, colours) => {
    if (Array.isArray(value)) return value.map((one) => painted(one, colours));
    if (value && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([key, one]) => [key, key === "color" ? named(one, colours) : painted(one, colours)])
      );
    }
    return value;
  };
  const draw = () => {
    const colours = palette();
    const family = getComputedStyle(document.body).fontFamily;
    for (const place of document.querySelectorAll("[data-chart]")) {
      const figure = painted(JSON.parse(document.getElementById(place.dataset.chart).textContent), colours);
      const titled = ({ title, ...axis }) => (title ? { ...axis, title: { ...title, font: { size: 12 } } } : axis);
      const axis = { gridcolor: colours.grid, zerolinecolor: colours.grid, fixedrange: true };
      const layout = {
        ...figure.layout,
        template: null,
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { family, size: 13, color: colours.ink },
        xaxis: { ...axis, ...titled(figure.layout.xaxis ?? {}) },
        yaxis: { ...axis, ...titled(figure.layout.yaxis ?? {}) },
        hoverlabel: { font: { family } },
      };
      Plotly.react(place, figure.data, layout, { displayModeBar: false, responsive: true });
    }
  };
  document.addEventListener("DOMContentLoaded", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
})();
