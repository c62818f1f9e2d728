'use strict';

// The stream that an app writes to: text becomes marked lines, lines go to the sender.

const { Writable } = require('node:stream');
const exit = require('./exit');
const { marking } = require('./mark');
const { settingsOf } = require('./options');
const { tellAtExit, warn } = require('./report');
const { Sender } = require('./sender');

class LogagentStream extends Writable {
  #settings;
  #sender;
  #mark;
  // A line that has begun, without its newline.
  #begun = '';
  #encoding = 'utf8';
  // Its bytes, where it is too long to be kept.
  #leftOut = 0;
  #isOver = false;

  /** @param {import('..').Options} [options] */
  constructor(options) {
    const settings = settingsOf(options);
    super({ decodeStrings: false });
    this.#settings = settings;
    this.#mark = settings.mark
      ? marking(process.pid, process.env.NODE_APP_INSTANCE)
      : (line) => line;
    // Logging never ends the app.
    this.on('error', () => {});
    this.#sender = new Sender(settings);
    exit.enter(this);
  }

  /** What has become of the lines so far. */
  get counters() {
    const sender = this.#sender;
    return {
      written: sender.written,
      writtenBytes: sender.writtenBytes,
      buffered: sender.buffered,
      bufferedBytes: sender.bufferedBytes,
      dropped: sender.dropped,
      droppedBytes: sender.droppedBytes,
      gaps: sender.gaps,
      fragments: sender.fragments,
      resets: sender.link.resets,
      unread: sender.link.unread,
      connections: sender.link.connections,
      connected: sender.link.isOpen,
    };
  }

  write(chunk, encoding, callback) {
    if (this.writable) {
      return super.write(chunk, encoding, callback);
    }
    // For a Writable that is an error, which would be the end's, too: its callback, log4js's
    // shutdown for one, would fail before the lines are sent.
    this.#refuse(chunk);
    const done = typeof encoding === 'function' ? encoding : callback;
    if (done) {
      process.nextTick(done, new Error('logagent: written after the end'));
    }
    return false;
  }

  /** What comes after the end has no way to anywhere. */
  #refuse(chunk) {
    const text = String(chunk);
    this.#sender.dropped += text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    this.#sender.droppedBytes += Buffer.byteLength(text);
    if (!this.#isOver) {
      this.#isOver = true;
      warn(`lines for ${this.#settings.socket} are being lost: written after the end`,
        'LOGAGENT_LOST');
    }
  }

  _write(chunk, encoding, callback) {
    try {
      this.#takeChunk(chunk, encoding);
    } catch (error) {
      // Whatever it is (memory that is short, say), it is not the app's.
      warn(`lines for ${this.#settings.socket} are being lost: ${error.message}`, 'LOGAGENT_LOST');
    }
    const exitBegan = exit.began();
    if (exitBegan !== undefined) {
      this.flushAtExit(exitBegan);
    }
    callback();
  }

  #takeChunk(chunk, encoding) {
    if (typeof chunk !== 'string') {
      this.#take(chunk.latin1Slice(0, chunk.length), 'latin1');
    } else if (encoding === 'utf8' || encoding === 'utf-8' || encoding === 'latin1') {
      this.#take(chunk, encoding === 'latin1' ? 'latin1' : 'utf8');
    } else {
      this.#take(Buffer.from(chunk, encoding).toString('latin1'), 'latin1');
    }
  }

  /**
   * Takes any number of lines, and parts of lines. Bytes are text in latin1: what is no UTF-8 is
   * kept, too.
   */
  #take(text, encoding) {
    let chunk = text;
    if (encoding !== this.#encoding) {
      if (this.#begun !== '') {
        this.#begun = Buffer.from(this.#begun, this.#encoding).toString('latin1');
        chunk = Buffer.from(chunk, encoding).toString('latin1');
        this.#encoding = 'latin1';
      } else {
        this.#encoding = encoding;
      }
    }
    let start = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      this.#takeEnd(chunk.slice(start, end + 1));
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#takePart(chunk.slice(start));
    }
  }

  #takePart(part) {
    if (this.#leftOut > 0) {
      this.#leftOut += Buffer.byteLength(part, this.#encoding);
      return;
    }
    this.#begun += part;
    if (this.#begun.length > this.#sender.room) {
      this.#leftOut = Buffer.byteLength(this.#begun, this.#encoding);
      this.#begun = '';
    }
  }

  #takeEnd(rest) {
    if (this.#leftOut > 0) {
      const bytes = this.#leftOut + Buffer.byteLength(rest, this.#encoding);
      this.#leftOut = 0;
      this.#sender.drop(bytes);
      return;
    }
    const line = this.#begun === '' ? rest : this.#begun + rest;
    this.#begun = '';
    this.#sender.add(this.#mark(line), this.#encoding);
  }

  /** What has begun will not go on. */
  #endLine() {
    if (this.#begun !== '' || this.#leftOut > 0) {
      this.#takeEnd('\n');
    }
  }

  /**
   * Hands the kernel what it takes now, without waiting. pino calls it when it logs a fatal error.
   */
  flushSync() {
    this.#sender.flushSync();
  }

  /**
   * Calls back when the kernel has every line that was written until now.
   *
   * @param {() => void} [callback]
   */
  flush(callback = () => {}) {
    this.#sender.whenFlushed(callback);
  }

  /** The process ends, since `began`. What is written after this comes here again. */
  flushAtExit(began) {
    this.#endLine();
    this.#sender.flushUntil(began + this.#settings.exitTimeout);
    this.#sender.tellLost(tellAtExit);
  }

  _final(callback) {
    this.#endLine();
    this.#sender.end(callback);
  }

  _destroy(error, callback) {
    this.#endLine();
    this.#sender.end(() => {
      exit.forget(this);
      callback(error);
    });
  }
}

module.exports = { LogagentStream };
