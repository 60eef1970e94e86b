/*! heed-sw.js: shows pushes, opens their links, and tells what became of them. Guide: docs/web-push.md
 *
 * Served with one line in front that names the hosts: self.heedHosts = [where receipts go, …]. A site may name further
 * origins that its pushes may open, before importScripts: self.heedOpens = ["https://checkout.example.com"].
 * What pushsubscriptionchange needs (the write key, whose device it is) is left by heed.js through a message. */
(() => {
  "use strict";

  const HOSTS = self.heedHosts || [self.location.origin];
  const OPENS = new Set([self.location.origin, ...HOSTS, ...(self.heedOpens || [])].map((one) => new URL(one).origin));
  const RETRY_AFTER = 2000;
  const MOST_KEPT = 200;
  const clicked = new Set();

  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const text = (said) => (typeof said === "string" ? said : typeof said === "number" ? String(said) : "");

  /** The link as an absolute address, or "" where it leads anywhere but to the site and the origins it named. */
  function allowed(link) {
    try {
      const url = new URL(text(link), self.location.origin);
      const isPlain = /^https?:$/.test(url.protocol) && !url.username && !url.password;
      return text(link) && isPlain && OPENS.has(url.origin) ? url.href : "";
    } catch {
      return "";
    }
  }

  // --- showing -------------------------------------------------------------------------------------------------

  function payloadOf(data) {
    try {
      const said = data.json();
      return said && typeof said === "object" ? said : {};
    } catch {
      return {};
    }
  }

  /** A push that shows nothing costs the site its permission after a while: whatever came, something is shown. */
  async function show(said) {
    const mine = { push: text(said.push), receipt: text(said.receipt), url: text(said.url), links: {} };
    const title = text(said.title) || self.location.hostname;
    const plain = { body: text(said.body) || (text(said.title) ? "" : "There is something new for you.") };
    plain.data = { ...(said.data && typeof said.data === "object" ? said.data : {}), heed: mine };
    for (const name of ["tag", "lang", "dir"]) if (text(said[name])) plain[name] = text(said[name]);
    const rich = { ...plain, actions: buttons(said, mine.links) };
    for (const name of ["icon", "image", "badge"]) if (text(said[name])) rich[name] = text(said[name]);
    try {
      await self.registration.showNotification(title, rich);
    } catch {
      try {
        await self.registration.showNotification(title, plain);
      } catch {
        await self.registration.showNotification(title, { body: plain.body, data: plain.data });
      }
    }
    return mine;
  }

  /** The message's own buttons, then the way to the person's choices where there is room for it. */
  function buttons(said, links) {
    const room = Notification.maxActions || 2;
    const found = [];
    for (const [number, button] of (Array.isArray(said.actions) ? said.actions : []).entries()) {
      if (!button || !text(button.title) || found.length === room) continue;
      const action = text(button.action) || `button-${number + 1}`;
      links[action] = text(button.url) || text(said.url);
      found.push({ action, title: text(button.title), ...(text(button.icon) && { icon: button.icon }) });
    }
    if (found.length < room && allowed(said.manage)) {
      links["heed:manage"] = text(said.manage);
      found.push({ action: "heed:manage", title: text(said.manage_title) || "Preferences" });
    }
    return found;
  }

  self.addEventListener("push", (event) => {
    event.waitUntil(
      show(payloadOf(event.data))
        .then((mine) => tell(mine, "shown"))
        .then(tellOfDevice),
    );
  });

  // --- clicks and closes ---------------------------------------------------------------------------------------

  self.addEventListener("notificationclick", (event) => {
    const mine = (event.notification.data || {}).heed;
    if (!mine) return;
    const isManage = event.action === "heed:manage";
    clicked.add(mine.push);
    const link = allowed(event.action ? mine.links[event.action] : mine.url) || allowed("/");
    // Firefox opens a window only within a second of the click: nothing is awaited before, the receipt goes beside it.
    const opening = self.clients.openWindow(link).catch(() => null);
    event.notification.close();
    // Somebody who goes to their preferences is not interested in the message: no click.
    event.waitUntil(Promise.all([opening, isManage ? null : tell(mine, "clicked")]));
  });

  self.addEventListener("notificationclose", (event) => {
    const mine = (event.notification.data || {}).heed;
    if (!mine) return;
    const at = new Date();
    // Browsers close what was clicked, some of them before they tell of the click: that is no dismissal.
    event.waitUntil(pause(700).then(() => (clicked.has(mine.push) ? null : tell(mine, "dismissed", at))));
  });

  // --- receipts ------------------------------------------------------------------------------------------------

  /** Tell, together with what could not be told before; what fails twice waits for the next event. */
  async function tell(mine, kind, at = new Date()) {
    if (!mine.push || !mine.receipt) return;
    const kept = await waiting();
    const receipt = { push: mine.push, kind, at: at.toISOString(), token: mine.receipt };
    if ((await tellAll(kept, receipt)) || kept.length >= MOST_KEPT) return;
    await stored("receipts", "readwrite", (shelf) => shelf.add(receipt));
    await askToComeBack();
  }

  async function tellAll(kept, ...more) {
    const receipts = [...kept.map((one) => one.value), ...more];
    if (!receipts.length || !(await post("/v1/receipts", receipts))) return !receipts.length;
    if (kept.length) await stored("receipts", "readwrite", (shelf) => kept.forEach((one) => shelf.delete(one.key)));
    return true;
  }

  /** Browsers that can wake us when they are online again, with every page closed. The others: at the next event. */
  async function askToComeBack() {
    try {
      await self.registration.sync.register("heed");
    } catch {
      // Not this browser.
    }
  }

  self.addEventListener("sync", (event) => {
    if (event.tag === "heed") event.waitUntil(Promise.all([waiting().then((kept) => tellAll(kept)), tellOfDevice()]));
  });

  async function waiting() {
    const found = [];
    await stored("receipts", "readonly", (shelf) => {
      shelf.openCursor().onsuccess = (event) => {
        const cursor = event.target.result;
        if (!cursor) return;
        found.push({ key: cursor.key, value: cursor.value });
        cursor.continue();
      };
    });
    return found;
  }

  /** Whether it need not be sent again. As text/plain it needs no preflight; it carries no cookie. */
  async function post(path, body) {
    for (const isFirst of [true, false]) {
      try {
        const answer = await fetch(HOSTS[0] + path, {
          method: "POST",
          credentials: "omit",
          keepalive: true,
          headers: { "Content-Type": "text/plain;charset=UTF-8" },
          body: JSON.stringify(body),
        });
        if (answer.status < 500 && answer.status !== 429) return true;
      } catch {
        // Offline, or the host is away.
      }
      if (isFirst) await pause(RETRY_AFTER);
    }
    return false;
  }

  // --- the subscription ----------------------------------------------------------------------------------------

  self.addEventListener("message", (event) => {
    if (!event.data || event.data.heed === undefined) return;
    const said = event.data.heed;
    // The page's word is newer than anything that waits here.
    const keep = (shelf) => {
      shelf.clear();
      if (said) shelf.put(said, "registration");
    };
    event.waitUntil(stored("device", "readwrite", keep));
  });

  self.addEventListener("pushsubscriptionchange", (event) => {
    event.waitUntil(renew(event.oldSubscription, event.newSubscription));
  });

  /** The device keeps its row under its new address. Without heed.js's word (logged out, never asked): nothing. */
  async function renew(old, given) {
    const known = await stored("device", "readonly", (shelf) => shelf.get("registration"));
    if (!known) return;
    const device = { ...known.device };
    try {
      const options = { userVisibleOnly: true, applicationServerKey: bytes(device.applicationServerKey) };
      const { endpoint, keys } = (given || (await self.registration.pushManager.subscribe(options))).toJSON();
      Object.assign(device, { address: endpoint, keys, permission: "granted" });
    } catch {
      // The permission was taken away. Where it was not, the next page tries again.
      if (Notification.permission === "granted") return;
      Object.assign(device, { address: "", keys: null, permission: Notification.permission });
    }
    const previousAddress = (old && old.endpoint) || known.device.address;
    await stored("device", "readwrite", (shelf) => shelf.put({ ...known, device, previousAddress }, "untold"));
    await tellOfDevice();
  }

  /** Tell what changed of the device, if that could not be told yet. */
  async function tellOfDevice() {
    const untold = await stored("device", "readonly", (shelf) => shelf.get("untold"));
    if (!untold) return;
    if (!(await post("/v1/devices", untold))) return askToComeBack();
    const { previousAddress, ...said } = untold;
    await stored("device", "readwrite", (shelf) => {
      shelf.delete("untold");
      if (said.device.address) shelf.put(said, "registration");
    });
  }

  function bytes(base64url) {
    const plain = atob(base64url.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }

  // --- what is kept in this browser ----------------------------------------------------------------------------

  function database() {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open("heed", 1);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore("receipts", { autoIncrement: true });
        opening.result.createObjectStore("device");
      };
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
  }

  /** One transaction. Where the browser keeps nothing (private windows), it is as if nothing had been kept. */
  async function stored(shelf, mode, deed) {
    try {
      const open = await database();
      try {
        return await new Promise((resolve, reject) => {
          const transaction = open.transaction(shelf, mode);
          const request = deed(transaction.objectStore(shelf));
          transaction.oncomplete = () => resolve(request && request.result);
          transaction.onabort = transaction.onerror = () => reject(transaction.error);
        });
      } finally {
        open.close();
      }
    } catch {
      return undefined;
    }
  }
})();
