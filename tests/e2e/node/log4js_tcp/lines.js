// Each worker of a cluster logs the lines of its file, with a connection of its own, and sees to it that
// log4js has handed all of them over before it ends: node lines.js APPENDER PORT FILE...
// With ENOUGH in the environment they take their time, end early once a file of that name exists, and note
// in FILE.count how many lines they have logged.
'use strict';

const cluster = require('cluster');
const fs = require('fs');
const net = require('net');

const [appender, port, ...files] = process.argv.slice(2);

if (cluster.isPrimary) {
  const workers = files.map((file) => cluster.fork({ LINES: file }));
  workers.forEach((worker) => worker.on('exit', (code) => {
    if (code !== 0) process.exitCode = 1;
  }));
} else {
  // log4js keeps its socket to itself.
  let socket;
  const { createConnection } = net;
  net.createConnection = (...where) => {
    socket = createConnection(...where);
    return socket;
  };
  const log4js = require('log4js');
  log4js.configure({
    appenders: {
      out: appender === 'multiprocess'
        ? { type: 'multiprocess', mode: 'worker', loggerHost: '127.0.0.1', loggerPort: Number(port) }
        : { type: 'tcp', host: '127.0.0.1', port: Number(port) },
    },
    categories: { default: { appenders: ['out'], level: 'all' } },
    disableClustering: true,
  });
  const lines = fs.readFileSync(process.env.LINES, 'utf8').split('\n').slice(0, -1);
  const logger = log4js.getLogger('web');
  let next = 0;
  const logSome = () => {
    // What the socket has not taken, log4js would keep without bound, and lose at its end.
    if (socket.connecting || socket.writableLength > 0) return setTimeout(logSome, 1);
    const isEnough = process.env.ENOUGH && fs.existsSync(process.env.ENOUGH);
    if (next === lines.length || isEnough) {
      fs.writeFileSync(`${process.env.LINES}.count`, String(next));
      return log4js.shutdown(() => socket.once('close', () => cluster.worker.disconnect()));
    }
    for (const end = Math.min(next + 50, lines.length); next < end; next += 1) logger.info(lines[next]);
    return process.env.ENOUGH ? setTimeout(logSome, 5) : setImmediate(logSome);
  };
  logSome();
}
