// The JavaScript Socket.IO on trial: a server and clients in one Node process. See node_process.mjs.

import { createServer } from "node:https";

import { ask, obey, parties, require, tell } from "./node_process.mjs";

const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");

const RECOVERY = { connectionStateRecovery: {} }; // as documented: two minutes, middlewares skipped
const RETRIES = { retries: 3, ackTimeout: 10_000 }; // the numbers of the tutorial

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
};

obey(commands, "socket.io", "socket.io-client");
