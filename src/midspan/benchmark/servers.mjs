// The contenders in Node: `ws` with an envelope in JSON, and socket.io. `node servers.mjs ws|socketio`
// Its first line of input says where to listen, and with which key and certificate ("" for no TLS); when its input ends,
// it ends.
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.once("line", async (line) => {
  const { port, key, cert } = JSON.parse(line);
  const http = key ? createTlsServer({ key, cert }) : createServer();
  await { ws, socketio }[process.argv[2]](http);
  http.listen(port, "127.0.0.1");
});

async function ws(server) {
  const { WebSocketServer } = await import("ws");
  const everybody = new WebSocketServer({ server, perMessageDeflate: false });
  everybody.on("connection", (connection) => {
    connection.on("message", (data) => {
      const text = data.toString();
      if (text.startsWith('["say"')) for (const one of everybody.clients) one.send(text);
      else connection.send(JSON.stringify({ ack: JSON.parse(text)[2] }));
    });
  });
}

async function socketio(server) {
  const { Server } = await import("socket.io");
  const io = new Server(server, { perMessageDeflate: false });
  io.on("connection", (socket) => {
    socket.on("typing_start", (_data, acknowledge) => acknowledge());
    socket.on("say", (data) => io.emit("say", data));
  });
}
