'use strict';

// winston.createLogger({ transports: [new Logagent({ stream: 'web', level: 'info' })] })

const { Writable } = require('node:stream');
const { stream } = require('.');
const { warn } = require('./lib/report');

// As winston names them (triple-beam).
const LEVEL = Symbol.for('level');
const MESSAGE = Symbol.for('message');

/** What winston expects of a transport, without depending on its base class. */
class Logagent extends Writable {
  #out;
  #isTold = false;

  /** @param {import('./winston').TransportOptions} [options] */
  constructor(options = {}) {
    super({ objectMode: true });
    this.name = 'logagent';
    this.level = options.level;
    this.format = options.format;
    this.silent = options.silent;
    this.handleExceptions = options.handleExceptions;
    this.handleRejections = options.handleRejections;
    this.#out = stream(options);
    this.on('error', () => {});
    this.once('pipe', (logger) => {
      this.levels = logger.levels;
      this.parent = logger;
    });
    this.once('unpipe', (logger) => {
      if (logger === this.parent) {
        this.parent = null;
        this.close();
      }
    });
  }

  /** See `stream.counters`. */
  get counters() {
    return this.#out.counters;
  }

  #takes(info) {
    if (this.silent || (info.exception === true && !this.handleExceptions)) {
      return false;
    }
    const level = this.level || this.parent?.level;
    const { levels } = this;
    return !level || !levels || info.exception === true || levels[level] >= levels[info[LEVEL]];
  }

  _write(info, encoding, callback) {
    if (!this.#takes(info)) {
      callback();
      return;
    }
    const formatted = this.format ? this.#formatted(info) : info;
    if (formatted) {
      this.log(formatted, callback);
    } else {
      callback();
    }
  }

  #formatted(info) {
    try {
      return this.format.transform({ ...info }, this.format.options);
    } catch (error) {
      // The logger's own format is better than no line.
      if (!this.#isTold) {
        this.#isTold = true;
        warn(`the format of a winston transport fails: ${error?.message}`, 'LOGAGENT_FORMAT');
      }
      return info;
    }
  }

  log(info, callback) {
    this.#out.write(`${info[MESSAGE] ?? info.message}\n`);
    this.emit('logged', info);
    callback();
  }

  _final(callback) {
    this.#out.end(callback);
  }

  _destroy(error, callback) {
    this.#out.destroy();
    callback(error);
  }

  /** winston calls it when the transport is taken from its logger. */
  close() {
    this.#out.end();
  }
}

module.exports = { Logagent };
