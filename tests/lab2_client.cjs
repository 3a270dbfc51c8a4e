// The JavaScript Socket.IO client against lab 2's server: one scenario, what it saw as one line of JSON.
// node tests/lab2_client.cjs URL SCENARIO   (the certificate to trust: NODE_EXTRA_CA_CERTS)
const { io } = require("socket.io-client");

const [url, name] = process.argv.slice(2);
const ARGUMENTS = ["a", 1, null, { b: [Buffer.from([0, 255])] }, Buffer.from("xyz"), "grüß"];
const options = { transports: ["websocket"], reconnection: false, forceNew: true };

const once = (socket, event) => new Promise((resolve) => socket.once(event, (...values) => resolve(values)));
const open = (namespace, more) => io(url + namespace, { ...options, ...more });
// Bytes as hex, so that JSON can carry them; the same for what was sent and what came back.
const plain = (value) =>
  Buffer.isBuffer(value) || value instanceof ArrayBuffer || ArrayBuffer.isView(value)
    ? `bytes ${Buffer.from(value).toString("hex")}`
    : Array.isArray(value)
      ? value.map(plain)
      : value && typeof value === "object"
        ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
        : value;

const scenarios = {
  async events() {
    const socket = open("/", { auth: { token: "x" } });
    const auth = await once(socket, "auth");
    socket.emit("message", ...ARGUMENTS);
    const back = await once(socket, "message-back");
    socket.emit("message");
    return { auth, back, same: JSON.stringify(plain(back)) === JSON.stringify(plain(ARGUMENTS)), none: await once(socket, "message-back") };
  },
  async acks() {
    const socket = open("/");
    const back = await new Promise((resolve) => socket.emit("message-with-ack", ...ARGUMENTS, (...values) => resolve(values)));
    const many = await Promise.all([...Array(20).keys()].map((n) => socket.timeout(3000).emitWithAck("message-with-ack", n)));
    const late = await socket.timeout(50).emitWithAck("stay", "x").catch((error) => error.message);
    socket.on("question", (...values) => values.pop()(...values));
    const asked = await new Promise((resolve) => socket.emit("call-me", ...ARGUMENTS, (...values) => resolve(values)));
    const silence = await socket.timeout(3000).emitWithAck("call-silence");
    return { back, many, late, asked, silence };
  },
  async namespaces() {
    const [main, custom] = ["/", "/custom"].map((namespace) => io(url + namespace, { ...options, forceNew: false }));
    await Promise.all([once(main, "auth"), once(custom, "auth")]);
    custom.emit("message", "custom");
    const first = await once(custom, "message-back");
    custom.disconnect();
    main.emit("message", "main");
    return { first, second: await once(main, "message-back"), one: main.io === custom.io, ids: main.id !== custom.id };
  },
  async refused() {
    const reasons = {};
    for (const [namespace, auth] of [["/vip", { token: "x" }], ["/vip", {}], ["/random", {}]]) {
      const [error] = await once(open(namespace, { auth }), "connect_error");
      reasons[`${namespace} ${JSON.stringify(auth)}`] = error.message;
    }
    const socket = open("/vip", { auth: { token: "sesame", lasts_s: 0.1 } });
    const [reason] = await once(socket, "disconnect");
    return { reasons, reason };
  },
  async heartbeats() {
    const socket = open("/");
    let pings = 0;
    socket.io.on("ping", () => pings++);
    await once(socket, "auth");
    while (pings < 5) await new Promise((resolve) => socket.io.once("ping", resolve));
    return { connected: socket.connected, back: await socket.timeout(3000).emitWithAck("message-with-ack", pings) };
  },
  async clean() {
    const socket = open("/");
    socket.emit("stay", "clean");
    await socket.timeout(3000).emitWithAck("message-with-ack", 1);
    socket.disconnect();
    return {};
  },
  async unclean() {
    const socket = open("/");
    socket.emit("stay", "unclean");
    await socket.timeout(3000).emitWithAck("message-with-ack", 1);
    process.kill(process.pid, "SIGKILL");
  },
};

scenarios[name]().then((seen) => {
  console.log(JSON.stringify(plain(seen)));
  process.exit(0);
});
