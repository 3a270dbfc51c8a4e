// The JavaScript Socket.IO on trial: a server and clients in one Node process, driven by lines of JSON on stdin.
//
//   node javascript_clients.mjs SPEED        timers run SPEED times faster than the wall's clock
//
// A line is a command: serve, connect, say, kill, answer. What happens is told as a line of JSON on stdout. What is
// durable, and who may be here, is asked of the other side of the pipe, which keeps the store.

import { createServer } from "node:https";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import timers from "node:timers";

hurry(Number(process.argv[2] ?? 1));
const require = createRequire(`${process.cwd()}/`); // so that the packages are found from where the command was given
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");

const RECOVERY = { connectionStateRecovery: {} }; // as documented: two minutes, middlewares skipped
const RETRIES = { retries: 3, ackTimeout: 10_000 }; // the numbers of the tutorial

const parties = new Map(); // by id: how to end it, and for a client its socket
const questions = new Map(); // by number: who waits for the answer

const commands = {
  serve({ id, key, cert }) {
    const http = createServer({ key, cert });
    const io = new Server(http, RECOVERY);
    io.use(async (socket, next) => {
      const { who, token } = socket.handshake.auth;
      next((await ask(id, "authorise", who, token)) ? undefined : new Error("not authorised"));
    });
    io.on("connection", (socket) => {
      socket.on("say", async (body, acknowledge) => {
        await ask(id, "append", body);
        io.emit("entry", body);
        acknowledge("ok");
      });
    });
    http.listen(0, "127.0.0.1", () => tell({ id, what: "listening", value: http.address().port }));
    parties.set(id, { end: () => (io.close(), http.closeAllConnections()) });
  },

  connect({ id, url, ca, auth }) {
    const socket = connect(url, { auth, ca, transports: ["websocket"], forceNew: true, ...RETRIES });
    socket.on("entry", (body) => tell({ id, what: "delivered", value: body }));
    parties.set(id, { socket, end: () => socket.io.reconnection(false) && socket.disconnect() });
  },

  say({ id, body }) {
    parties.get(id)?.socket.emit("say", body, (error) => error || tell({ id, what: "acknowledged", value: body }));
  },

  kill({ id }) {
    parties.get(id)?.end();
    parties.delete(id);
  },

  answer({ number, value }) {
    questions.get(number)?.(value);
    questions.delete(number);
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { do: name, ...given } = JSON.parse(line);
    commands[name](given);
  })
  .on("close", () => process.exit());

tell({ what: "ready", value: versions() });

function tell(news) {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}

let asked = 0;

function ask(id, what, ...value) {
  const number = ++asked;
  tell({ id, what, value, number });
  return new Promise((resolve) => questions.set(number, resolve));
}

function versions() {
  const packages = ["socket.io", "socket.io-client"].map((name) => [name, require(`${name}/package.json`).version]);
  return Object.fromEntries([["node", process.versions.node], ...packages]);
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
