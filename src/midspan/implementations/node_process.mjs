// What every Node process on trial does: it reads commands, tells what happens, asks the other side of the pipe, and
// runs its timers faster than the wall's clock.
//
//   node SCRIPT.mjs SPEED        timers run SPEED times faster than the wall's clock
//
// A line on stdin is a command: serve, connect, say, kill, answer. What happens is told as a line of JSON on stdout.
// What is durable, and who may be here, is asked of the other side of the pipe, which keeps the store.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import timers from "node:timers";

hurry(Number(process.argv[2] ?? 1)); // before a package takes hold of a timer

export const require = createRequire(`${process.cwd()}/`); // packages are found from where the command was given
export const parties = new Map(); // by id: how to end it, and for a client its socket
const questions = new Map(); // by number: who waits for the answer

const common = {
  kill({ id }) {
    parties.get(id)?.end();
    parties.delete(id);
  },

  answer({ number, value }) {
    questions.get(number)?.(value);
    questions.delete(number);
  },
};

export function obey(commands, ...packages) {
  const all = { ...commands, ...common };
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      const { do: name, ...given } = JSON.parse(line);
      all[name](given);
    })
    .on("close", () => process.exit());
  tell({ what: "ready", value: versions(packages) });
}

export function tell(news) {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}

let asked = 0;

export function ask(id, what, ...value) {
  const number = ++asked;
  tell({ id, what, value, number });
  return new Promise((resolve) => questions.set(number, resolve));
}

function versions(packages) {
  const found = packages.map((name) => [name, JSON.parse(readFileSync(`${folder(name)}/package.json`)).version]);
  return Object.fromEntries([["node", process.versions.node], ...found]);
}

function folder(name) {
  const file = require.resolve(name); // a package may not export its package.json
  return file.slice(0, file.lastIndexOf(`node_modules/${name}/`) + `node_modules/${name}`.length);
}

function hurry(speed) {
  const { setTimeout: later, setInterval: often } = timers;
  const faster = {
    setTimeout: (run, ms = 0, ...rest) => later(run, ms / speed, ...rest),
    setInterval: (run, ms = 0, ...rest) => often(run, ms / speed, ...rest),
  };
  Object.assign(timers, faster); // Engine.IO's server takes them from the module, everybody else from the global object
  Object.assign(globalThis, faster);
  const now = Date.now.bind(Date);
  const began = now();
  Date.now = () => began + (now() - began) * speed;
}
