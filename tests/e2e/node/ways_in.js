'use strict';

// The ways in for a Node.js program, each as its documentation has it. `open` returns `log`, which
// logs a text as one line, and what else the way has: `taken`, which says how many lines the kernel has,
// `out`, whose counters say what became of lines, and `end`, which lets go of the logger as its own
// documentation says.

const fs = require('node:fs');

const LINE_BYTES = 120;

const opened = {
  stdout() {
    let bytes = 0;
    return {
      log(text) {
        bytes += text.length + 1;
        console.log(text);
      },
      taken: () => (bytes - process.stdout.writableLength) / LINE_BYTES,
    };
  },

  // As PM2 has it, whose modules hand an open file's stream every line.
  fifo() {
    const out = fs.createWriteStream(process.env.FIFO, { flags: 'a' });
    return {
      log: (text) => out.write(`${text}\n`),
      taken: () => out.bytesWritten / LINE_BYTES,
      end: (done) => out.end(done),
    };
  },

  stream(options) {
    const out = require('logagent').stream(options);
    return { log: (text) => out.write(`${text}\n`), out, end: (done) => out.end(done) };
  },

  log4js(options) {
    const log4js = require('log4js');
    log4js.configure({
      appenders: {
        out: { type: 'logagent/log4js', layout: { type: 'messagePassThrough' }, ...options },
      },
      categories: { default: { appenders: ['out'], level: 'info' } },
      disableClustering: true,
    });
    const logger = log4js.getLogger();
    return { log: (text) => logger.info(text), end: (done) => log4js.shutdown(done) };
  },

  'pino-transport'(options) {
    const pino = require('pino');
    const logger = pino({ transport: { target: 'logagent/pino', options } });
    return { log: (text) => logger.info(text), end: (done) => logger.flush(done) };
  },

  pino(options) {
    const out = require('logagent').stream(options);
    const logger = require('pino')(out);
    return { log: (text) => logger.info(text), out, end: (done) => out.end(done) };
  },

  winston(options) {
    const winston = require('winston');
    const { Logagent } = require('logagent/winston');
    const out = new Logagent({ ...options, level: 'info' });
    const logger = winston.createLogger({ transports: [out] });
    return {
      log: (text) => logger.info(text),
      out,
      end: (done) => logger.end().on('finish', done),
    };
  },
};

/** @param {string} way */
function open(way) {
  const number = (name) => (process.env[name] ? Number(process.env[name]) : undefined);
  return opened[way]({
    socket: process.env.SOCKET,
    stream: 'web',
    bufferBytes: number('BUFFER_BYTES'),
    exitTimeout: number('EXIT_TIMEOUT'),
  });
}

module.exports = { open };
