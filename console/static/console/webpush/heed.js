/*! heed.js: tells what visitors do, asks kindly for notifications, keeps the device fresh. Guide: docs/web-push.md */
(() => {
  "use strict";

  const script = document.currentScript || document.querySelector('script[data-key][src*="heed.js"]');
  const early = Array.isArray(window.heed) ? window.heed : [];
  if (!script || (window.heed && window.heed.version)) return;

  const KEY = script.dataset.key;
  const HOST = new URL(script.src).origin;
  const WORKER = script.dataset.sw || "/heed-sw.js";
  const RULE = script.dataset.prompt || "manual";
  const AGAIN_DAYS = Number(script.dataset.promptAgain || 30);
  const DAY = 86400000;
  const IS_ABLE = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

  const warn = (...words) => console.warn("heed:", ...words);
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

  function uuid() {
    const raw = crypto.getRandomValues(new Uint8Array(16));
    raw[6] = (raw[6] & 15) | 64;
    raw[8] = (raw[8] & 63) | 128;
    const hex = Array.from(raw, (one) => one.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  // --- what this browser remembers -----------------------------------------------------------------------------
  // No cookie ever, and nothing in localStorage before there is a reason: a consent, a sign-in, a subscription.
  // Until then the visitor's id lives as long as the page. Only "not now" is remembered at once.

  let state = {};
  try {
    state = { ...JSON.parse(localStorage.getItem("heed")) };
  } catch {
    // Storage is blocked or was tampered with: as on a first visit.
  }
  let mayKeep = Boolean(state.anonymousId) || script.dataset.consent === "given";
  state.anonymousId = state.anonymousId || uuid();

  /** Another tab, or this page before it was put aside, may have signed somebody in or out since. */
  function recall() {
    try {
      const kept = JSON.parse(localStorage.getItem("heed"));
      if (kept && kept.anonymousId) [state, mayKeep] = [kept, true];
    } catch {
      // As it was.
    }
  }

  function save() {
    const kept = mayKeep ? state : state.later && { later: state.later };
    try {
      if (kept) localStorage.setItem("heed", JSON.stringify(kept));
    } catch {
      // Storage is full or blocked: the page works on without it.
    }
  }

  function consent(given = true) {
    mayKeep = given;
    if (given) save();
    else localStorage.removeItem("heed");
  }

  // --- sending -------------------------------------------------------------------------------------------------

  let queue = [];
  let timer = 0;

  const said = (body) => JSON.stringify({ writeKey: KEY, ...body });

  /** The answer, or null where the host stayed away. text/plain needs no preflight; no cookie goes along.
   * `body` is asked before each attempt; what it does not give is not sent any more. */
  async function post(path, body) {
    for (let attempt = 0; attempt < 4; attempt += 1) {
      let wait = 1000 * 4 ** attempt;
      const given = body();
      if (!given) return null;
      try {
        const answer = await fetch(HOST + path, {
          method: "POST",
          credentials: "omit",
          keepalive: true,
          headers: { "Content-Type": "text/plain;charset=UTF-8" },
          body: said(given),
        });
        if (answer.ok) return answer;
        if (answer.status < 500 && answer.status !== 429) {
          warn(path, answer.status, await answer.text());
          return answer;
        }
        wait = Math.max(wait, 1000 * (Number(answer.headers.get("Retry-After")) || 0));
      } catch {
        // Offline, or the host is away.
      }
      await pause(wait);
    }
    return null;
  }

  /** The queue as lists that fit into what a browser sends while a page goes away (64 KB). */
  function batches() {
    const found = [];
    let size = Infinity;
    for (const call of queue.splice(0)) {
      const length = JSON.stringify(call).length;
      if (size + length > 40000) {
        found.push([]);
        size = 0;
      }
      found[found.length - 1].push(call);
      size += length;
    }
    return found;
  }

  function flush() {
    clearTimeout(timer);
    timer = 0;
    const now = () => new Date().toISOString();
    return Promise.all(batches().map((batch) => post("/v1/batch", () => ({ batch, sentAt: now() }))));
  }

  function leave() {
    const sentAt = new Date().toISOString();
    for (const batch of batches()) {
      const body = new Blob([said({ batch, sentAt })], { type: "text/plain;charset=UTF-8" });
      navigator.sendBeacon(HOST + "/v1/batch", body);
    }
  }

  const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

  function who() {
    const { anonymousId, userId, userHash } = state;
    return { anonymousId, ...(userId && { userId }), ...(userHash && { userHash }) };
  }

  function call(type, more) {
    const { anonymousId, userId, userHash } = who();
    const { href: url, pathname: path, search } = location;
    queue.push({
      type,
      messageId: uuid(),
      timestamp: new Date().toISOString(),
      anonymousId,
      ...(userId && { userId }),
      ...more,
      context: {
        page: { url, path, search, title: document.title, referrer: document.referrer },
        locale: navigator.language,
        timezone: zone(),
        userAgent: navigator.userAgent,
        library: { name: "heed.js", version: heed.version },
        ...(userHash && { userHash }),
      },
    });
    timer = timer || setTimeout(flush, 300);
  }

  function track(event, properties = {}) {
    if (typeof event !== "string" || !event) return warn("track(event, properties): give the event a name");
    call("track", { event, properties });
    if (RULE === "event:" + event) offer();
  }

  let loadedIsCounted = false;

  function page(name, properties = {}) {
    if (typeof name === "object") [name, properties] = [undefined, name];
    const { href: url, pathname: path, search } = location;
    const about = { url, path, search, title: document.title, referrer: document.referrer };
    call("page", { ...(name && { name }), properties: { ...about, ...properties } });
    // The first call tells of the page that was loaded, which is counted already.
    if (loadedIsCounted) countPage();
    loadedIsCounted = true;
  }

  /** Who this is. Give userHash (made by your server) where the id is known to your servers. */
  async function identify(userId, traits = {}, { userHash } = {}) {
    if (typeof userId === "object") [userId, traits] = [undefined, userId || {}];
    if (userId !== undefined) {
      // Somebody else at the same browser: what came before is not theirs.
      if (state.userId && state.userId !== String(userId)) state.anonymousId = uuid();
      if (state.userId !== String(userId)) turn += 1;
      Object.assign(state, { userId: String(userId), userHash, isAway: false });
      mayKeep = true;
      save();
    }
    call("identify", { traits });
    await flush();
    await refresh();
  }

  // --- the subscription ----------------------------------------------------------------------------------------

  let asked;

  /** What the site says about itself: {publicKey, siteName, prompt}. Fetched once a page. */
  function configured() {
    asked = asked || fetch(`${HOST}/v1/webpush/config?key=${encodeURIComponent(KEY)}`, { credentials: "omit" })
      .then(async (answer) => {
        if (!answer.ok) throw new Error(`heed: the configuration: ${answer.status} ${await answer.text()}`);
        return answer.json();
      })
      .catch((problem) => {
        asked = undefined;
        throw problem;
      });
    return asked;
  }

  function bytes(base64url) {
    const plain = atob(base64url.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }

  const base64url = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  // Sites that require trusted types take the worker's address only from a policy.
  const policy = window.trustedTypes && { createScriptURL: () => WORKER };
  let workerUrl;

  async function worker() {
    workerUrl = workerUrl || (policy ? trustedTypes.createPolicy("heed", policy).createScriptURL("") : WORKER);
    const registration = await navigator.serviceWorker.register(workerUrl, { updateViaCache: "none" });
    const coming = registration.installing || registration.waiting;
    if (!registration.active && coming) {
      await new Promise((resolve, reject) => {
        coming.addEventListener("statechange", () => {
          if (coming.state === "activated") resolve();
          if (coming.state === "redundant") reject(new Error(`heed: ${WORKER} could not be installed`));
        });
      });
    }
    return registration;
  }

  function named(agent, names) {
    const found = names.find(([, pattern]) => pattern.test(agent));
    return found ? found[0] : "";
  }

  function device(more) {
    const agent = navigator.userAgent;
    const browsers = [["Edge", /Edg/], ["Opera", /OPR/], ["Samsung Internet", /SamsungBrowser/], ["Firefox", /Firefox|FxiOS/]];
    const systems = [["Android", /Android/], ["iOS", /iPhone|iPad/], ["Windows", /Windows/], ["ChromeOS", /CrOS/]];
    return {
      id: state.device,
      gateway: "webpush",
      permission: Notification.permission,
      platform: "web",
      browser: named(agent, [...browsers, ["Chrome", /Chrom/], ["Safari", /Safari/]]),
      os: named(agent, [...systems, ["macOS", /Mac OS/], ["Linux", /Linux/]]),
      locale: navigator.language,
      timezone: zone(),
      ...more,
    };
  }

  // Grows whenever somebody signs in or out: a registration that is still on its way is not sent once more then.
  let turn = 0;
  let registering = Promise.resolve();

  /** Register what has changed since the last time, and once a week in any case. */
  async function register(more, { consent: words, registration } = {}) {
    state.device = state.device || uuid();
    const body = { ...who(), device: device(more), ...(words && { consent: words }) };
    const print = JSON.stringify([body.anonymousId, body.userId, body.userHash, body.device]);
    if (!words && state.print === print && Date.now() - state.printedAt < 7 * DAY) return;
    const hasMoved = more.address && state.address && state.address !== more.address;
    const mine = turn;
    const previous = hasMoved && { previousAddress: state.address };
    const asking = post("/v1/devices", () => mine === turn && { ...body, ...previous });
    registering = asking.catch(() => null);
    const answer = await asking;
    if (mine !== turn) return;
    if (!answer || !answer.ok) throw new Error("heed: the device could not be registered; the next page tries again");
    Object.assign(state, { print, printedAt: Date.now(), isAway: false });
    if (more.address) state.address = more.address;
    save();
    // What the worker needs when the browser changes the subscription while no page is open.
    if (registration) registration.active.postMessage({ heed: JSON.parse(said({ ...who(), device: body.device })) });
  }

  async function attach(words) {
    const { publicKey } = await configured();
    if (!publicKey) throw new Error("heed: the site has no web push credential yet: make one in the console's settings");
    const registration = await worker();
    let subscription = await registration.pushManager.getSubscription();
    const used = subscription && subscription.options && subscription.options.applicationServerKey;
    if (used && base64url(used) !== publicKey) {
      await subscription.unsubscribe();
      subscription = null;
    }
    const options = { userVisibleOnly: true, applicationServerKey: bytes(publicKey) };
    subscription = subscription || (await registration.pushManager.subscribe(options));
    const { endpoint, keys } = subscription.toJSON();
    await register({ address: endpoint, keys, applicationServerKey: publicKey }, { consent: words, registration });
  }

  /** The browser's own question. Call it in a click: browsers ask only then. "granted", "denied" or "default". */
  async function subscribe(words = { text: "", version: "", source: "site button" }) {
    if (!IS_ABLE) return "unsupported";
    // Nothing is awaited before the question, or the click no longer counts.
    const permission = await Notification.requestPermission();
    if (permission === "granted") {
      mayKeep = true;
      await attach(words);
    } else if (state.address) {
      await register({});
    }
    return permission;
  }

  let refreshing = Promise.resolve();

  /** The subscription, the permission or the key may have changed since this browser was last here. */
  function refresh() {
    if (!IS_ABLE) return Promise.resolve();
    const renew = async () => {
      if (!state.address || state.isAway) return;
      await (Notification.permission === "granted" ? attach() : register({}));
    };
    refreshing = refreshing.then(renew).catch(warn);
    return refreshing;
  }

  /** Nothing personal comes to this browser until it is registered again, by identify() or subscribe(). */
  async function detach() {
    const { device: id, address } = state;
    if (!address) return;
    Object.assign(state, { isAway: true, print: undefined });
    turn += 1;
    save();
    // What was registered just before must not arrive after this.
    await Promise.race([registering, pause(3000)]);
    const registration = await navigator.serviceWorker.getRegistration(new URL(WORKER, location.href).href);
    if (registration && registration.active) registration.active.postMessage({ heed: null });
    await post("/v1/devices/detach", () => ({ device: { id, address } }));
  }

  async function unsubscribe() {
    if (!IS_ABLE) return;
    const registration = await navigator.serviceWorker.getRegistration(new URL(WORKER, location.href).href);
    await detach();
    const subscription = registration && (await registration.pushManager.getSubscription());
    if (subscription) await subscription.unsubscribe();
    state.address = undefined;
    save();
  }

  /** Logged out: the device is detached and the next visitor is a new one. */
  async function reset() {
    flush();
    Object.assign(state, { anonymousId: uuid(), userId: undefined, userHash: undefined });
    save();
    await detach();
  }

  // --- the soft prompt -----------------------------------------------------------------------------------------

  const LOOK = `
    :host { all: initial; position: fixed; z-index: 2147483647; right: 1.5rem; bottom: 1.5rem; color-scheme: light dark;
      --ink: #171a26; --dim: #565e73; --card: #fff; --line: #e3e6ef; --accent: #4053d6; --on: #fff; --soft: #eceefc; }
    @media (prefers-color-scheme: dark) { :host { --ink: #f1f2f8; --dim: #a9b0c4; --card: #1d202c; --line: #363b4d;
      --accent: #96a2ff; --on: #12152b; --soft: #2b3050; } }
    * { box-sizing: border-box; }
    section { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; width: 24rem; max-width: calc(100vw - 1.5rem);
      padding: 1.25rem; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 1.1rem;
      font: 400 .9375rem/1.45 system-ui, sans-serif; text-align: start; outline: 0;
      box-shadow: 0 1px 2px #0a0d1f14, 0 12px 40px -8px #0a0d1f47; animation: rise .28s cubic-bezier(.2, .9, .3, 1); }
    section:focus-visible { box-shadow: 0 0 0 3px color-mix(in srgb, var(--accent) 45%, transparent), 0 12px 40px -8px #0a0d1f47; }
    svg { grid-row: span 2; width: 2.75rem; height: 2.75rem; padding: .625rem; border-radius: .8rem; background: var(--soft);
      fill: none; stroke: var(--accent); stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
    h2 { margin: 0; font-size: 1.0625rem; font-weight: 650; line-height: 1.3; text-wrap: balance; }
    p { margin: 0; color: var(--dim); text-wrap: pretty; overflow-wrap: anywhere; }
    div { grid-column: 1 / -1; display: flex; flex-wrap: wrap; justify-content: flex-end; gap: .5rem; margin-top: 1rem; }
    button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .5rem 1.1rem; border-radius: .7rem; cursor: pointer;
      border: 1px solid transparent; background: transparent; color: var(--dim); }
    button:hover { background: var(--soft); }
    button.yes { background: var(--accent); color: var(--on); }
    button.yes:hover { filter: brightness(1.08); }
    button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
    @keyframes rise { from { opacity: 0; transform: translateY(1rem); } }
    @media (max-width: 30rem) { :host { right: .75rem; left: .75rem; bottom: max(.75rem, env(safe-area-inset-bottom)); }
      section { width: auto; max-width: none; } button { flex: 1; } }
    @media (prefers-reduced-motion: reduce) { section { animation: none; } }
    @media (forced-colors: active) { button { border-color: ButtonText; } }`;
  const BELL = "M6 9a6 6 0 0 1 12 0c0 5 2 7 2 7H4s2-2 2-7M10 20a2.2 2.2 0 0 0 4 0";

  function made(name, values = {}, ...children) {
    const namespace = /svg|path/.test(name) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
    const element = document.createElementNS(namespace, name);
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  let open;

  /** Show the words; `answer(true)` runs within the click on the first button. One at a time. */
  function show(words, answer) {
    const before = document.activeElement;
    const host = document.createElement("heed-prompt");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(LOOK);
    root.adoptedStyleSheets = [sheet];
    if (script.dataset.accent) host.style.setProperty("--accent", script.dataset.accent);
    const yes = made("button", { type: "button", class: "yes" }, words.allow);
    const later = made("button", { type: "button" }, words.later);
    const card = made(
      "section",
      { role: "dialog", "aria-labelledby": "title", "aria-describedby": "body", tabindex: "-1", dir: "auto" },
      made("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, made("path", { d: BELL })),
      made("h2", { id: "title" }, words.title),
      made("p", { id: "body" }, words.body),
      made("div", {}, later, yes),
    );
    root.append(card);
    const close = (isYes) => {
      document.removeEventListener("keydown", onKey);
      const hadFocus = document.activeElement === host;
      host.remove();
      if (hadFocus && before && before.focus) before.focus();
      answer(isYes);
    };
    const onKey = (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) close(false);
    };
    document.addEventListener("keydown", onKey);
    yes.addEventListener("click", () => close(true));
    later.addEventListener("click", () => close(false));
    (document.body || document.documentElement).append(host);
    // Whoever is writing keeps the cursor; everybody else's next key is for the question.
    if (!before || !before.matches("input, textarea, select, [contenteditable]")) card.focus({ preventScroll: true });
  }

  const isSubscribed = () => Notification.permission === "granted" && Boolean(state.address) && !state.isAway;

  /** The soft prompt, then the browser's. "granted", "denied", "default" (closed), "later" or "unsupported". */
  function prompt() {
    open = open || ask().finally(() => (open = undefined));
    return open;
  }

  async function ask() {
    if (!IS_ABLE) return "unsupported";
    if (Notification.permission === "denied") return "denied";
    if (isSubscribed()) return "granted";
    const { publicKey, prompt: theirs } = await configured();
    if (!publicKey) {
      warn("the site has no web push credential yet: make one in the console's settings");
      return "unsupported";
    }
    const { title, body, allow, later, promptVersion } = script.dataset;
    const own = Object.entries({ title, body, allow, later }).filter(([, words]) => words);
    const words = { ...theirs, ...Object.fromEntries(own) };
    const version = promptVersion || (own.length ? "" : theirs.version);
    const text = `${words.title}\n${words.body}\n[${words.allow}]`;
    return new Promise((resolve, reject) => {
      show(words, (isYes) => {
        const answered = isYes ? subscribe({ text, version, source: "soft prompt" }) : Promise.resolve("later");
        // Whoever closed the browser's question without an answer said "not now" as well.
        const kept = (answer) => {
          if (/later|default/.test(answer)) {
            state.later = Date.now();
            save();
          }
          return answer;
        };
        answered.then(kept).then(resolve, reject);
      });
    });
  }

  /** By rule: not where the answer is known, and not again soon after "not now". */
  function offer() {
    const isOpen = IS_ABLE && Notification.permission === "default" && !state.isAway;
    if (isOpen && !(Date.now() - state.later < AGAIN_DAYS * DAY)) prompt().catch(warn);
  }

  // A bare number that ends with the tab; it is only kept where a rule counts pages.
  function countPage() {
    const wanted = Number(RULE.replace("after-pages:", ""));
    if (!RULE.startsWith("after-pages:")) return;
    if (!wanted) return warn(`data-prompt="${RULE}": say after how many pages, such as after-pages:2`);
    let pages = 1;
    try {
      pages = Number(sessionStorage.getItem("heed.pages") || 0) + 1;
      sessionStorage.setItem("heed.pages", pages);
    } catch {
      // Without storage each page is the first one.
    }
    if (pages >= wanted) offer();
  }

  // --- what pages call -----------------------------------------------------------------------------------------

  const heed = {
    version: "1",
    identify,
    track,
    page,
    consent,
    prompt,
    subscribe: () => subscribe(),
    unsubscribe,
    reset,
    flush,
    get isSubscribed() {
      return IS_ABLE && isSubscribed();
    },
    push: ([name, ...given]) => heed[name](...given),
  };
  window.heed = heed;
  if (!KEY) return warn("the script tag needs data-key: the write key of a website source");

  if (mayKeep) save();
  early.forEach(heed.push);
  addEventListener("pagehide", leave);
  addEventListener("storage", (event) => event.key === "heed" && recall());
  addEventListener("pageshow", (event) => event.persisted && recall());
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());
  if (RULE.startsWith("button:")) {
    document.addEventListener("click", (event) => {
      if (event.target.closest && event.target.closest(RULE.slice(7))) prompt().catch(warn);
    });
  }
  refresh();
  if (IS_ABLE && navigator.permissions) {
    const watch = (status) => status.addEventListener("change", refresh);
    navigator.permissions.query({ name: "notifications" }).then(watch, () => null);
  }
  countPage();
})();
