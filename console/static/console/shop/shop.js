// What a shop's own script does: it tells Heed what happens on the page.
document.addEventListener("DOMContentLoaded", () => {
  const said = document.getElementById("product");
  heed.page();
  if (!said) return;
  const product = JSON.parse(said.textContent);
  const tell = (text) => { document.getElementById("said").textContent = text; };
  heed.track("Product Viewed", product);
  document.getElementById("add").addEventListener("click", () => {
    heed.track("Product Added", { ...product, quantity: 1 });
    tell("It is in your cart.");
  });
  document.getElementById("buy").addEventListener("click", () => {
    heed.track("Order Completed", { order_id: crypto.randomUUID(), total: product.price, currency: "EUR", products: [{ ...product, quantity: 1 }] });
    tell("Thank you! (Nothing was charged; this is a demo.)");
  });
});
