// Sends one of each call with Segment's official SDK for Node: node node_sdk.mjs HOST WRITE_KEY
import { Analytics } from "@segment/analytics-node";

const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ host, writeKey, maxRetries: 1 });
analytics.on("error", (problem) => {
  console.error(problem);
  process.exitCode = 1;
});
const at = new Date("2026-11-20T10:00:00.000Z");
analytics.track({ anonymousId: "visitor", event: "Product Viewed", properties: { sku: "s-1" }, timestamp: at });
analytics.identify({ userId: "ada", anonymousId: "visitor", traits: { plan: "pro" } });
for (let number = 0; number < 120; number += 1) {
  analytics.track({ userId: "ada", event: "Product Added", properties: { price: 12.5, number } });
}
analytics.page({ userId: "ada", name: "Home", properties: { path: "/" } });
analytics.screen({ userId: "ada", name: "Cart" });
analytics.group({ userId: "ada", groupId: "acme", traits: { name: "Acme" } });
analytics.alias({ userId: "ada", previousId: "old-visitor" });
await analytics.closeAndFlush({ timeout: 20000 });
