// Builds dist/portal.css and dist/portal.js. `--check` says whether they are up to date and writes nothing.
//
// Of the design tokens only those are taken over that our style sheets use, with those they refer to.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const here = new URL(".", import.meta.url);
const read = (path) => readFileSync(new URL(path, here), "utf8");

const tokenPackage = require("@digital-go-jp/design-tokens/package.json");
const tokens = new Map(
  [...read("node_modules/@digital-go-jp/design-tokens/dist/tokens.css").matchAll(/^\s*(--[\w-]+):\s*(.+);$/gm)].map((found) => [found[1], found[2]]),
);

const own = readdirSync(new URL("src/", here))
  .filter((name) => name.endsWith(".css"))
  .sort()
  .map((name) => read(`src/${name}`))
  .join("\n");

const defined = new Set([...own.matchAll(/(--[\w-]+)\s*:/g)].map((found) => found[1]));
const used = new Map();
const use = (text) => {
  for (const [, name] of text.matchAll(/var\((--[\w-]+)/g)) {
    if (defined.has(name) || used.has(name)) continue;
    const value = tokens.get(name);
    if (value === undefined) throw new Error(`${name} is neither a design token nor defined in src/`);
    used.set(name, value);
    use(value);
  }
};
use(own);

const minify = (css) =>
  css
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/\s+/g, " ")
    .replace(/ ?([{};,>]) ?/g, "$1")
    .replace(/: /g, ":")
    .replace(/;}/g, "}")
    .trim();

const notice = `/* Contains values of @digital-go-jp/design-tokens ${tokenPackage.version} (MIT, Digital Agency). Generated: edit assets/src and run npm run build. */`;
const root = `:root{${[...used].sort().map(([name, value]) => `${name}:${value}`).join(";")}}`;
const files = {
  "dist/portal.css": `${notice}\n${root}\n${minify(own)}\n`,
  "dist/portal.js": `${read("src/portal.js").replace(/^\s*\/\/.*$/gm, "").replace(/^\s+/gm, "").trim()}\n`,
};

for (const [path, content] of Object.entries(files)) {
  if (!process.argv.includes("--check")) {
    writeFileSync(new URL(path, here), content);
  } else if (read(path) !== content) {
    console.error(`${path} is out of date; run npm run build`);
    process.exitCode = 1;
  }
}
