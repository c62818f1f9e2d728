// server.js INSTANCE
//
// An HTTP server that says a line for every request on its standard output, and on its standard error
// what becomes of itself. Each line is numbered, from 0 in each life on each output. It answers a
// request once its line is written, with its instance, its life and the line's number.

"use strict";
const http = require("http");

const [instance] = process.argv.slice(2);
// A life is one invocation of the unit.
const life = process.env.INVOCATION_ID;
const said = { out: 0, err: 0 };

function say(output, text, written) {
  const number = said[output]++;
  const stream = output === "out" ? process.stdout : process.stderr;
  stream.write(`${instance} ${life} ${output} ${number} ${text}\n`, () => written?.(number));
}

const server = http.createServer((request, response) => {
  say("out", `request ${request.url}`, (number) => {
    response.end(`${instance} ${life} ${number}`);
  });
  if (request.url === "/abort") process.abort();
});
// So that the server's end does not wait for HAProxy's connections.
server.keepAliveTimeout = 200;
server.listen(8000 + Number(instance), "127.0.0.1", () => say("err", "listens"));

process.on("SIGHUP", () => say("err", "reloaded"));
process.on("SIGTERM", () => {
  server.close(() => {
    say("err", `ends after ${said.out} and ${said.err + 1} lines`, () => process.exit(0));
  });
  server.closeIdleConnections();
});
