// npm's web-push with a kept connection pool and 32 in flight. Prints {"cpu", "speed"}.
import { createRequire } from "node:module";
import https from "node:https";

const require = createRequire(new URL("../sdks/package.json", import.meta.url));
const webpush = require("web-push");
const asked = JSON.parse(process.env.BENCH);
const agent = new https.Agent({ keepAlive: true, maxSockets: 32 });
const der = Buffer.from(asked.private.replace(/-----[^-]+-----|\s/g, ""), "base64");
const at = der.indexOf(Buffer.from("0420", "hex"));
const privateKey = der.subarray(at + 2, at + 34).toString("base64url");
const vapidDetails = { subject: "mailto:push@example.com", publicKey: asked.public, privateKey };
const payload = JSON.stringify({ title: "Name1, your basket is waiting", body: "x".repeat(200), url: "https://shop.example/cart" });
let next = 0;
const lane = async () => {
  while (next < asked.count) {
    const number = next++;
    const subscription = { endpoint: `${asked.origin}/push/${number}`, keys: { p256dh: asked.p256dh, auth: asked.auth } };
    await webpush.sendNotification(subscription, payload, { vapidDetails, TTL: 60, agent });
  }
};
const began = process.cpuUsage();
const stood = process.hrtime.bigint();
await Promise.all(Array.from({ length: 32 }, lane));
const used = process.cpuUsage(began);
const wall = Number(process.hrtime.bigint() - stood) / 1e9;
console.log(JSON.stringify({ cpu: (used.user + used.system) / 1e6 / asked.count, speed: asked.count / wall }));
process.exit(0);
