// Debian's Chromium, driven by the tests: a command in JSON on each line of standard input, an answer on each of standard
// output. Knows nothing of what the page is to show.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, base] = process.argv.slice(2);
const find = createRequire(pathToFileURL(modules + "/package.json"));
const { chromium } = find("playwright-core");
const axe = readFileSync(find.resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

const noise = [];
// A context: a scheme, a width, with JavaScript, without, or, for axe, which is a script, the page as it is without.
const open = async ({ scheme = "light", width = 1280, script = "on", zone = "Europe/Berlin" }) => {
  const context = await browser.newContext({
    colorScheme: scheme, viewport: { width, height: 900 }, timezoneId: zone, bypassCSP: true, javaScriptEnabled: script !== "off",
  });
  if (script === "stripped") {
    await context.route("**/*", async (route) => {
      if (route.request().resourceType() === "script") return route.abort();
      if (route.request().resourceType() !== "document") return route.continue();
      const answer = await route.fetch();
      const body = (await answer.text()).replace(/<script[^>]*><\/script>|<\/?noscript>/g, "");
      return route.fulfill({ response: answer, body });
    });
  }
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on("dialog", (dialog) => { noise.push("dialog " + dialog.message()); dialog.dismiss(); });
  page.on("pageerror", (error) => noise.push("error " + error.message));
  page.on("console", (line) => {
    if (line.type() === "error" && !/status of 4\d\d|ERR_FAILED|ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY/.test(line.text())) noise.push("console " + line.text());
  });
  return page;
};
let held = null;

const commands = {
  // Each path in a context: what axe finds, how far it can be scrolled sideways, what went wrong.
  async check({ paths, shots, ...context }) {
    const page = await open(context);
    const found = [];
    for (const path of paths) {
      noise.length = 0;
      await page.goto(base + path);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      const hit = await page.evaluate(() => window.wasHit ?? null);
      let violations = [];
      if (context.script !== "off") {
        await page.evaluate(axe);
        violations = await page.evaluate(async () => {
          const { violations } = await axe.run(document, { resultTypes: ["violations"] });
          return violations.map(({ id, nodes }) => id + ": " + nodes[0].html.slice(0, 300) + " " + nodes[0].failureSummary);
        });
      }
      if (shots) await page.screenshot({ path: `${shots}/${path.replace(/\W+/g, "-")}-${context.scheme}-${context.width}-${context.script}.png`, fullPage: true });
      found.push({ path, violations, wide, hit, noise: [...noise] });
    }
    await page.context().close();
    return found;
  },
  // The texts of a table's cells.
  async table({ path, id, ...context }) {
    const page = await open(context);
    await page.goto(base + path);
    const cells = await page.$$eval(`#${id} tbody tr`, (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim().replace(/\u00a0/g, " "))));
    await page.context().close();
    return cells;
  },
  // How many elements there are, and the text of the first.
  async look({ path, selectors, ...context }) {
    const page = await open(context);
    await page.goto(base + path);
    const seen = {};
    for (const selector of selectors) {
      const texts = await page.$$eval(selector, (nodes) => nodes.map((node) => node.textContent.trim().replace(/\u00a0/g, " ")));
      seen[selector] = { count: texts.length, text: texts[0] ?? null };
    }
    await page.context().close();
    return seen;
  },
  // A page that stays open, for what happens to it.
  async hold({ path, ...context }) {
    held = await open(context);
    await held.goto(base + path);
    return null;
  },
  async until({ selector, text }) {
    const is = ([selector, text]) => [...document.querySelectorAll(selector)].some((node) => new RegExp(text).test(node.textContent.replace(/\u00a0/g, " ")));
    await held.waitForFunction(is, [selector, text], { polling: 100, timeout: 30000 }).catch(async (error) => {
      const now = await held.$$eval(selector, (nodes) => nodes.slice(0, 5).map((node) => node.textContent));
      const page = (await held.innerText("body").catch((lost) => lost.message)).replace(/\s+/g, " ").slice(0, 1500);
      throw new Error(`${error.message.split("\n")[0]}: '${selector}' never was '${text}', it is ${JSON.stringify(now)}; ${held.url()} shows: ${page}`);
    });
    return null;
  },
  async press({ selector, key }) {
    await held.focus(selector);
    await held.keyboard.press(key);
    return held.textContent(selector + " .reading");
  },
  async click({ selector }) {
    await held.click(selector);
    return null;
  },
  async value({ selector }) {
    return held.$eval(selector, (node) => node.value ?? node.textContent);
  },
  async address() {
    return held.url();
  },
  // What is transferred for a first look, and when something was painted.
  async weigh({ path, ...context }) {
    const page = await open(context);
    await page.goto(base + path, { waitUntil: "load" });
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
    const weight = await page.evaluate(() => {
      const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
      return {
        bytes: entries.reduce((sum, entry) => sum + (entry.name.endsWith("/events") ? 0 : entry.transferSize), 0),
        paint_ms: performance.getEntriesByName("first-contentful-paint")[0].startTime,
      };
    });
    await page.context().close();
    return weight;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { run, ...what } = JSON.parse(line);
  const answer = await commands[run](what).then((found) => ({ found }), (error) => ({ error: String(error.message ?? error) }));
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
