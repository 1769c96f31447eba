// Opens a page in headless Chromium and tells, as JSON, what it is to its readers.
// walk.mjs CHROMIUM PAGE FOLDER_FOR_SCREENSHOTS RULES, where RULES is "axe" or, of a page too long for it, "none"
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, path, shots, rules] = process.argv.slice(2);
const address = pathToFileURL(path).href;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const told = { asked: [], errors: [], dialogs: 0, violations: {}, opened: {} };

async function opened(options, walk) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("request", (one) => one.url() !== address && told.asked.push(one.url()));
  page.on("pageerror", (error) => told.errors.push(String(error)));
  page.on("console", (line) => line.type() === "error" && told.errors.push(line.text()));
  page.on("dialog", (dialog) => { told.dialogs += 1; dialog.dismiss(); });
  const began = performance.now();
  await page.goto(address);
  const milliseconds = performance.now() - began;
  const result = await walk(page, milliseconds);
  await context.close();
  return result;
}
async function shot(page, name, whole = true) {
  const fullPage = whole && (await page.evaluate(() => document.body.scrollHeight)) < 20000;
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage });
}
const rows = (page) => page.locator(".record > li:visible").count();
// Of the drawings: the rows of the timeline that have a label, and all marks that are shown.
const drawn = (page) => page.evaluate(() => ({
  labels: [...document.querySelectorAll("figure text[data-when]")].filter((one) => one.checkVisibility()).length,
  marks: [...document.querySelectorAll("figure path[data-when], figure line[data-when]")].filter((one) => one.checkVisibility()).length,
}));

for (const colorScheme of ["light", "dark"]) {
  await opened({ colorScheme, viewport: { width: 1200, height: 900 } }, async (page, took) => {
    told.opened[colorScheme] = took;
    told.title = await page.title();
    told.headings = await page.locator("h1, h2, h3, h4").evaluateAll((all) => all.map((one) => Number(one.tagName[1])));
    if (rules === "axe") {
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      told.violations[colorScheme] = found.violations.map((one) => `${one.id}: ${one.nodes[0].html}`);
    }
    await shot(page, colorScheme, false);
  });
}

await opened({ viewport: { width: 1200, height: 900 } }, async (page) => {
  const reached = [];
  for (let steps = 0; steps < 40; steps += 1) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => {
      const one = document.activeElement;
      const ring = getComputedStyle(one);
      return { what: one.id || one.textContent.trim(), ring: ring.outlineStyle !== "none" };
    }));
    if (reached.at(-1).what === "version") break;
  }
  told.reached = reached;
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  told.last = { rows: await rows(page), said: await page.locator("output").textContent(), ...(await drawn(page)) };
  await page.keyboard.press("Home");
  await page.waitForFunction(() => document.querySelector("output").textContent.startsWith("As of version 1:"));
  told.first = { rows: await rows(page), said: await page.locator("output").textContent(), ...(await drawn(page)) };
  for (const presses of [1, 2]) {
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction((version) => document.querySelector("output").textContent.startsWith(`As of version ${version}:`), presses + 1);
  }
  told.third = { rows: await rows(page), cards: await page.locator(".card:visible").count() };
  await shot(page, "as-of");
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.querySelector("output").textContent.startsWith("Latest"));
  told.again = await drawn(page);
});

await opened({ javaScriptEnabled: false }, async (page) => {
  told.without = { rows: await rows(page), stepper: await page.locator("#stepper").isVisible(), ...(await drawn(page)) };
  await shot(page, "without");
});
await opened({ viewport: { width: 360, height: 800 } }, async (page) => {
  told.narrow = await page.evaluate(() => document.scrollingElement.scrollWidth);
  await shot(page, "narrow");
});
await opened({ colorScheme: "dark" }, async (page) => {
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  told.print = {
    stepper: await page.locator("#stepper").isVisible(),
    paper: await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
  };
  await shot(page, "print");
  await page.emulateMedia({ media: "screen" });
  await page.locator("[data-by=first]").click();
  await page.emulateMedia({ media: "print" });
  told.print.then = await page.locator("output").isVisible() && (await page.locator("output").textContent());
});
await browser.close();
console.log(JSON.stringify(told));
