// MQTT over WSS on trial: the broker aedes and clients of mqtt.js in one Node process. See node_process.mjs.
//
//   node mqtt_clients.mjs SPEED QOS        QoS 1: at least once; QoS 2: exactly once

import { createServer } from "node:https";
import { Duplex } from "node:stream";

import { ask, obey, parties, require, tell } from "./node_process.mjs";

const { Aedes } = require("aedes");
const { MqttClient } = require("mqtt");
const { WebSocket, WebSocketServer } = require("ws");

const qos = Number(process.argv[3]);
const TOPIC = "room";
const SESSION = { clean: false, protocolVersion: 4, reconnectPeriod: 1_000, keepalive: 25 }; // the broker keeps a session

const commands = {
  async serve({ id, key, cert }) {
    const aedes = await Aedes.createBroker(); // its sessions and queues are in memory
    aedes.authenticate = async (_client, who, token, done) => done(null, await ask(id, "authorise", who, `${token}`));
    aedes.authorizePublish = async (_client, packet, done) => {
      if (!packet.dup) await ask(id, "append", `${packet.payload}`); // before it is acknowledged
      done(null);
    };
    const https = createServer({ key, cert });
    const sockets = new WebSocketServer({ server: https, handleProtocols: () => "mqtt" });
    sockets.on("connection", (socket, request) => aedes.handle(new Frames(socket), request));
    https.listen(0, "127.0.0.1", () => tell({ id, what: "listening", value: https.address().port }));
    parties.set(id, { end: () => (aedes.close(), sockets.close(), https.close(), https.closeAllConnections()) });
  },

  connect({ id, url, ca, auth: { who, token } }) {
    const open = () => new Frames(new WebSocket(url.replace("https", "wss"), "mqtt", { ca }));
    const client = new MqttClient(open, { clientId: who, username: who, password: token, ...SESSION });
    client.on("connect", () => client.subscribe(TOPIC, { qos }));
    client.on("message", (_topic, payload) => tell({ id, what: "delivered", value: `${payload}` }));
    client.on("error", () => {}); // refused, or not authorised: it connects again by itself
    parties.set(id, { client, end: () => client.end(true) });
  },

  say({ id, body }) {
    const told = (error) => error || tell({ id, what: "acknowledged", value: body });
    parties.get(id)?.client.publish(TOPIC, body, { qos }, told);
  },
};

// A stream over a WebSocket, which puts what is written together (one packet) into one frame. The stream of `ws` makes a
// frame of each part of a packet, and then most moments of a run would be inside of a packet.
class Frames extends Duplex {
  constructor(socket) {
    super();
    this.socket = socket;
    socket.on("message", (data) => this.push(data));
    socket.on("error", () => {}); // "close" comes next
    socket.on("close", () => this.destroy());
  }

  _construct(done) {
    if (this.socket === undefined) return process.nextTick(() => this._construct(done)); // called before our constructor ends
    if (this.socket.readyState === WebSocket.OPEN) return done();
    this.socket.once("open", () => done());
    this.socket.once("close", () => done(new Error("closed before it was open")));
  }

  _read() {}

  _write(chunk, _encoding, done) {
    this.socket.send(chunk, () => done());
  }

  _writev(chunks, done) {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "buffer", done);
  }

  _final(done) {
    this.socket.close();
    done();
  }

  _destroy(error, done) {
    this.socket.terminate();
    done(error);
  }
}

obey(commands, "aedes", "mqtt");
